# SPDX-License-Identifier: Apache-2.0
"""An ordinary mail server as a peer, both ways."""

from __future__ import annotations

import email
import email.policy
import hashlib
import os
import smtplib
from collections.abc import Iterator
from contextlib import ExitStack
from email.message import EmailMessage
from pathlib import Path

import pytest

from tests.flows.plain import as_base64, binary, find, mailbox
from tests.flows.programs import Programs, edit, eventually, playground, sha256
from tests.flows.story import transfer_of
from tests.interop.postfix import FILING, Postfix, postfix, why_not

pytestmark = pytest.mark.skipif(why_not() is not None, reason=why_not() or "")


@pytest.fixture
def beside_postfix(tmp_path: Path) -> Iterator[tuple[Programs, Postfix]]:
    """A playground whose server a knows a Postfix for c.example."""
    with ExitStack() as stack:
        programs = stack.enter_context(playground(tmp_path / "playground"))
        port = programs.port("b", "smtp")
        peer = stack.enter_context(postfix(tmp_path / "postfix", FILING, peer=port))
        server = programs.servers["a"]
        server.stop()
        address = f"127.0.0.1:{peer.port}"
        edit(server.config, 'peer."c.example"', address=address)
        server.start()
        yield programs, peer


def test_a_share_reaches_an_ordinary_server_as_an_attachment(
    beside_postfix: tuple[Programs, Postfix], tmp_path: Path
) -> None:
    programs, peer = beside_postfix
    file = tmp_path / "lone.txt"
    file.write_bytes(b"one\n.\n..\ntwo\r\n.\r\n\xff\0" + os.urandom(2_000_000))
    programs.mshare("alice", "send", file, "zoe@c.example")
    transfer_of(programs, "alice", file.name, "sent")
    (octets,) = eventually(peer.messages, "Postfix has filed it")
    message = email.message_from_bytes(octets, policy=email.policy.default)
    (attached,) = message.iter_attachments()
    assert attached.get_filename() == "lone.txt"
    content = attached.get_payload(decode=True)
    assert isinstance(content, bytes)
    assert hashlib.sha256(content).hexdigest() == sha256(file)


def test_what_does_not_fit_is_told(
    beside_postfix: tuple[Programs, Postfix], tmp_path: Path
) -> None:
    programs, peer = beside_postfix
    file = tmp_path / "too_large.bin"
    with file.open("wb") as out:
        out.truncate(60_000_000)
    programs.mshare("alice", "send", file, "zoe@c.example")
    found = transfer_of(programs, "alice", file.name, "failed")
    assert found["status"] == "5.3.4"
    assert peer.messages() == []


def test_ordinary_mail_comes_in_through_postfix(
    beside_postfix: tuple[Programs, Postfix],
) -> None:
    programs, peer = beside_postfix
    octets = os.urandom(1_500_000)
    message = EmailMessage()
    message["From"], message["To"] = "zoe@c.example", "bob@b.example"
    message["Subject"] = "ordinary mail"
    message.set_content("With an attachment.\n.\nAnd a dot.")
    message.add_attachment(
        octets, maintype="application", subtype="zip", filename="o.zip"
    )
    with smtplib.SMTP("127.0.0.1", peer.port) as client:
        client.send_message(message)

    with mailbox(programs, "bob") as box:
        uid = eventually(
            lambda: find(box, "INBOX", "SUBJECT", "ordinary"), "it is here"
        )
        assert as_base64(box, uid.decode(), "2") == octets
        assert binary(box, uid.decode(), "2") == octets
