# SPDX-License-Identifier: Apache-2.0
"""A mailbox as Python's imaplib sees it."""

from __future__ import annotations

import base64
import imaplib
import re

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


def as_base64(box: imaplib.IMAP4_SSL, uid: str, section: str) -> bytes:
    _, fetched = box.uid("FETCH", uid, f"(BODY.PEEK[{section}])")
    part = fetched[0]
    assert isinstance(part, tuple)
    return base64.b64decode(part[1])
