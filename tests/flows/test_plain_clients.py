# SPDX-License-Identifier: Apache-2.0
"""The same story with nothing but Python's imaplib, smtplib and raw BDAT."""

from __future__ import annotations

import email
import email.policy
import os
from pathlib import Path

from tests.flows.plain import (
    as_base64,
    binary,
    body,
    content_section,
    find,
    mailbox,
    submission,
    upload,
    url_of,
)
from tests.flows.programs import Programs, eventually


def test_the_story_without_our_terminal(programs: Programs) -> None:
    octets = os.urandom(700_001)
    alice, bob = programs.account("alice"), programs.account("bob")
    client = submission(programs, "alice")
    upload(client, alice["address"], "plain.bin", octets)

    with mailbox(programs, "alice") as box:
        assert find(box, "Items", "ALL") != b""
    url = url_of(programs, "alice", "900")
    assert client.docmd(f"MAIL FROM:<{alice['address']}>")[0] == 250
    assert client.docmd(f"RCPT TO:<{bob['address']}>")[0] == 250
    code, text = client.docmd(f"BURL {url} LAST")
    assert code == 250, text
    client.quit()

    with mailbox(programs, "bob") as box:
        offer = eventually(
            lambda: find(box, "INBOX", "KEYWORD", "$Offer", "SUBJECT", "plain.bin"),
            "the offer is in INBOX",
        ).decode()
        offered = body(box, offer)
        message = email.message_from_bytes(offered, policy=email.policy.default)
        assert {p.get_content_type() for p in message.walk()} >= {
            "text/plain",
            "text/html",
            "application/vnd.maild+json",
        }
        assert len(offered) < 64 * 1024
        status, moved = box.uid("MOVE", offer, "Accepted")
        assert status == "OK", moved

        item = eventually(
            lambda: find(box, "Library", "SUBJECT", "plain.bin"), "the item is here"
        ).decode()
        section = content_section(box, item)
        assert binary(box, item, section) == octets
        assert as_base64(box, item, section) == octets
        eventually(lambda: find(box, "Items", "SUBJECT", "plain.bin"), "its stub")


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
