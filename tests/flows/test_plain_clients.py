# SPDX-License-Identifier: Apache-2.0
"""The same story with nothing but Python's imaplib, smtplib and raw BDAT."""

from __future__ import annotations

import email
import email.policy
import hashlib
import imaplib
import os
import smtplib
from pathlib import Path

import pytest

from tests.flows.plain import as_base64, binary, find, mailbox
from tests.flows.programs import Programs, eventually


@pytest.fixture
def submission(programs: Programs) -> smtplib.SMTP_SSL:
    alice = programs.account("alice")
    client = smtplib.SMTP_SSL(
        "localhost", programs.port("alice", "submission"), context=programs.tls
    )
    client.ehlo()
    client.login(alice["address"], alice["password"])
    return client


def bdat(client: smtplib.SMTP_SSL, octets: bytes) -> bytes:
    client.send(b"BDAT %d LAST\r\n" % len(octets) + octets)
    code, text = client.getreply()
    assert code == 250, text
    return text


def upload(client: smtplib.SMTP_SSL, address: str, name: str, octets: bytes) -> None:
    head = (
        "MIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\n"
        "Content-Transfer-Encoding: binary\r\n"
        f'Content-Disposition: attachment; filename="{name}"; size={len(octets)}\r\n'
        "Share-Number: 900\r\nShare-Code: Zzz999\r\n\r\n"
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


def test_the_story_without_our_terminal(
    programs: Programs, submission: smtplib.SMTP_SSL
) -> None:
    octets = os.urandom(700_001)
    alice, bob = programs.account("alice"), programs.account("bob")
    upload(submission, alice["address"], "plain.bin", octets)

    with mailbox(programs, "alice") as box:
        uid = find(box, "Library", "HEADER", "Share-Number", "900").decode()
        validity = box.response("UIDVALIDITY")[1][0]
        assert validity is not None
        assert find(box, "Items", "ALL") != b""
    url = (
        f"imap://{alice['address'].replace('@', '%40')}@a.example/Library"
        f";UIDVALIDITY={validity.decode()}/;UID={uid}"
    )
    assert submission.docmd(f"MAIL FROM:<{alice['address']}>")[0] == 250
    assert submission.docmd(f"RCPT TO:<{bob['address']}>")[0] == 250
    code, text = submission.docmd(f"BURL {url} LAST")
    assert code == 250, text
    submission.quit()

    with mailbox(programs, "bob") as box:
        offer = eventually(
            lambda: find(box, "INBOX", "KEYWORD", "$Offer", "SUBJECT", "plain.bin"),
            "the offer is in INBOX",
        ).decode()
        status, fetched = box.uid("FETCH", offer, "(BODY.PEEK[])")
        assert status == "OK"
        part = fetched[0]
        assert isinstance(part, tuple)
        message = email.message_from_bytes(part[1], policy=email.policy.default)
        assert {p.get_content_type() for p in message.walk()} >= {
            "text/plain",
            "text/html",
            "application/vnd.maild+json",
        }
        assert len(part[1]) < 64 * 1024
        status, moved = box.uid("MOVE", offer, "Accepted")
        assert status == "OK", moved

        item = eventually(
            lambda: find(box, "Library", "SUBJECT", "plain.bin"), "the item is here"
        ).decode()
        section = content_section(box, item)
        assert binary(box, item, section) == octets
        assert as_base64(box, item, section) == octets
        eventually(lambda: find(box, "Items", "SUBJECT", "plain.bin"), "its stub")


def content_section(box: imaplib.IMAP4_SSL, uid: str) -> str:
    _, fetched = box.uid("FETCH", uid, "(BODYSTRUCTURE)")
    assert isinstance(fetched[0], bytes)
    return "2" if b'"text" "plain"' in fetched[0].lower() else "1"


def test_copying_a_stub_into_a_share_mailbox_sends_it(
    programs: Programs, tmp_path: Path
) -> None:
    file = tmp_path / "dragged.bin"
    file.write_bytes(os.urandom(100_000))
    programs.mshare("alice", "upload", file)
    with mailbox(programs, "alice") as box:
        uid = find(box, "Items", "SUBJECT", "dragged.bin").decode()
        box.create("Share/bob@b.example")
        status, text = box.uid("COPY", uid, "Share/bob@b.example")
        assert status == "OK", text
        assert box.response("COPYUID")[1][0] is not None
        assert find(box, "Transfers", "SUBJECT", "dragged.bin") != b""
    with mailbox(programs, "bob") as box:
        eventually(
            lambda: find(box, "INBOX", "KEYWORD", "$Offer", "SUBJECT", "dragged.bin"),
            "the offer is in INBOX",
        )
