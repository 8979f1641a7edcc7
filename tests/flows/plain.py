# SPDX-License-Identifier: Apache-2.0
"""A server as Python's imaplib and smtplib see it."""

from __future__ import annotations

import base64
import hashlib
import imaplib
import re
import smtplib

from tests.flows.programs import Programs


def mailbox(programs: Programs, name: str) -> imaplib.IMAP4_SSL:
    account = programs.account(name)
    client = imaplib.IMAP4_SSL(
        "localhost", programs.port(name, "imap"), ssl_context=programs.tls
    )
    client.login(account["address"], account["password"])
    return client


def find(client: imaplib.IMAP4_SSL, box: str, *criteria: str) -> bytes:
    """Return the newest UID that matches in a mailbox, or nothing."""
    assert client.select(box)[0] == "OK"
    status, found = client.uid("SEARCH", *criteria)
    assert status == "OK"
    uids: list[bytes] = found[0].split()
    return uids[-1] if uids else b""


def binary(box: imaplib.IMAP4_SSL, uid: str, section: str) -> bytes:
    """Read by BINARY (RFC 3516) in slices, on the raw connection: imaplib has no ~{."""
    whole = b""
    while True:
        tag = box._new_tag()
        slice_ = f"BINARY.PEEK[{section}]<{len(whole)}.65536>"
        box.send(tag + f" UID FETCH {uid} ({slice_})\r\n".encode())
        octets = b""
        while not (line := box.readline()).startswith(tag):
            if found := re.search(rb"~?\{(\d+)\}\r\n$", line):
                octets = box.read(int(found[1]))
        whole += octets
        if len(octets) < 65536:
            return whole


def body(box: imaplib.IMAP4_SSL, uid: str, section: str = "") -> bytes:
    """Fetch a message, or a part; flags may be told first (RFC 9051 §7)."""
    _, fetched = box.uid("FETCH", uid, f"(BODY.PEEK[{section}])")
    found = [answer[1] for answer in fetched if isinstance(answer, tuple)]
    assert len(found) == 1, fetched
    return bytes(found[0])


def as_base64(box: imaplib.IMAP4_SSL, uid: str, section: str) -> bytes:
    return base64.b64decode(body(box, uid, section))


def content_section(box: imaplib.IMAP4_SSL, uid: str) -> str:
    _, fetched = box.uid("FETCH", uid, "(BODYSTRUCTURE)")
    whole = b"".join(line for line in fetched if isinstance(line, bytes))
    assert b"BODYSTRUCTURE" in whole
    return "2" if b'"text" "plain"' in whole.lower() else "1"


def content(box: imaplib.IMAP4_SSL, uid: str) -> bytes:
    """Return the content of an item in the Library."""
    assert box.select("Library")[0] == "OK"
    return binary(box, uid, content_section(box, uid))


def submission(programs: Programs, name: str) -> smtplib.SMTP_SSL:
    """Log in where an account submits."""
    account = programs.account(name)
    client = smtplib.SMTP_SSL(
        "localhost", programs.port(name, "submission"), context=programs.tls
    )
    client.ehlo()
    client.login(account["address"], account["password"])
    return client


def bdat(client: smtplib.SMTP_SSL, octets: bytes) -> bytes:
    client.send(b"BDAT %d LAST\r\n" % len(octets) + octets)
    code, text = client.getreply()
    assert code == 250, text
    return text


def upload(
    client: smtplib.SMTP_SSL,
    address: str,
    name: str,
    octets: bytes,
    number: str = "900",
) -> None:
    """Upload under a number (seed 211), with raw BDAT."""
    head = (
        "MIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\n"
        "Content-Transfer-Encoding: binary\r\n"
        f'Content-Disposition: attachment; filename="{name}"; size={len(octets)}\r\n'
        f"Share-Number: {number}\r\nShare-Code: Zzz999\r\n\r\n"
    ).encode()
    code, text = client.docmd(
        f"MAIL FROM:<{address}> BODY=BINARYMIME SIZE={len(head) + len(octets)}"
    )
    assert code == 250, text
    local, domain = address.split("@")
    code, text = client.docmd(f"RCPT TO:<{local}+library@{domain}>")
    assert code == 250, text
    reply = bdat(client, head + octets).decode()
    assert hashlib.sha256(octets).hexdigest() in reply
    assert f"{len(octets)} octets" in reply


def url_of(programs: Programs, name: str, number: str) -> str:
    """Return what names an uploaded item (RFC 5092), for BURL."""
    with mailbox(programs, name) as box:
        uid = find(box, "Library", "HEADER", "Share-Number", number).decode()
        validity = box.response("UIDVALIDITY")[1][0]
    assert validity is not None
    account = programs.account(name)["address"]
    user, domain = account.replace("@", "%40"), account.partition("@")[2]
    return f"imap://{user}@{domain}/Library;UIDVALIDITY={validity.decode()}/;UID={uid}"
