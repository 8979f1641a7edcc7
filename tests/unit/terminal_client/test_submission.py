# SPDX-License-Identifier: GPL-3.0-only
"""What a terminal says on submission, word by word."""

from __future__ import annotations

import os
from collections.abc import Sequence
from email import policy
from email.parser import BytesParser
from pathlib import Path

import pytest

from maild.mail.address import parse_address
from maild.wire.imap_url import ImapUrl
from terminal_client import errors, submission
from terminal_client.session_smtp import SubmissionConnection
from terminal_client.tls import client_context
from tests.unit.terminal_client.fakes import PASSWORD, Script, Talk, landed, servers

ALICE, BOB = parse_address("alice@a.example"), parse_address("bob@b.example")
URL = ImapUrl("alice@a.example", "a.example", "Library", 7, 3)


async def send(
    folder: Path,
    script: Script,
    note: str = "",
    fields: Sequence[tuple[str, str]] = (),
) -> submission.Sent:
    async with servers(folder, smtp=script) as made:
        connection = SubmissionConnection(made.profile, client_context(made.profile))
        await connection.open(PASSWORD)
        try:
            return await submission.send(connection, ALICE, BOB, URL, "1", note, fields)
        finally:
            await connection.close()


async def test_a_sending_command_is_three_lines(tmp_path: Path) -> None:
    async def script(talk: Talk) -> None:
        await talk.smtp_login("BURL")
        await talk.hear("MAIL FROM:<alice@a.example>")
        await talk.hear("RCPT TO:<bob@b.example>")
        await talk.hear(
            "BURL imap://alice%40a.example@a.example/Library;UIDVALIDITY=3/;UID=7 LAST"
        )
        await talk.say("250 2.1.0 ok", "250 2.1.5 ok", landed(b""))

    assert await send(tmp_path, script) == submission.Sent("4Zx1cQ0b9Rz0", BOB)


@pytest.mark.parametrize("said", ["12 octets sha-256 00", "goes out when it is closed"])
async def test_what_was_sent_before_is_told(tmp_path: Path, said: str) -> None:
    async def script(talk: Talk) -> None:
        await talk.smtp_login("BURL")
        for _ in range(3):
            await talk.hear()
        reply = f"250 2.0.0 4Zx1cQ0b9Rz0 {said}, sent before"
        await talk.say("250 2.1.0 ok", "250 2.1.5 ok", reply)

    assert (await send(tmp_path, script)).before


async def test_a_note_goes_in_front_of_the_section(tmp_path: Path) -> None:
    parts = []

    async def script(talk: Talk) -> None:
        await talk.smtp_login("BURL")
        await talk.hear("MAIL FROM:<alice@a.example> BODY=BINARYMIME")
        await talk.hear("RCPT TO:<bob@b.example>")
        size = int((await talk.hear("BDAT ")).split(" ")[1])
        parts.append(await talk.reader.readexactly(size))
        assert (await talk.hear("BURL ")).endswith(";UID=7/;SECTION=1")
        _, size_text, last = (await talk.hear("BDAT ")).split(" ")
        assert last == "LAST"
        parts.append(await talk.reader.readexactly(int(size_text)))
        await talk.say(*["250 2.0.0 ok"] * 4, landed(b""))

    await send(tmp_path, script, "as prömised\r\n.\r\n")
    message = BytesParser(policy=policy.default).parsebytes(b"\0\1\2".join(parts))
    note, content = message.iter_parts()
    assert note.get_content() == "as prömised\r\n.\r\n"
    assert content.get_content() == b"\0\1\2"


async def test_what_else_the_server_is_told_is_a_field(tmp_path: Path) -> None:
    heads = []

    async def script(talk: Talk) -> None:
        await talk.smtp_login("BURL")
        await talk.hear("MAIL FROM:<alice@a.example> BODY=BINARYMIME")
        await talk.hear("RCPT TO:<bob@b.example>")
        size = int((await talk.hear("BDAT ")).split(" ")[1])
        heads.append(await talk.reader.readexactly(size))
        await talk.hear("BURL ")
        size = int((await talk.hear("BDAT ")).split(" ")[1])
        await talk.reader.readexactly(size)
        await talk.say(*["250 2.0.0 ok"] * 4, landed(b""))

    await send(tmp_path, script, fields=[("Share-Confirm", "3600")])
    message = BytesParser(policy=policy.default).parsebytes(heads[0])
    assert message["Share-Confirm"] == "3600"


@pytest.mark.parametrize(
    ("reply", "status"),
    [
        ("550 5.7.1 mail cannot be sent there", os.EX_NOPERM),
        ("550 5.1.1 no such user", os.EX_DATAERR),
        ("451 4.4.3 name servers do not answer", os.EX_TEMPFAIL),
    ],
)
async def test_a_refused_recipient_is_named(
    tmp_path: Path, reply: str, status: int
) -> None:
    async def script(talk: Talk) -> None:
        await talk.smtp_login("BURL")
        for _ in range(3):
            await talk.hear()
        await talk.say("250 2.1.0 ok", reply, "503 5.5.1 RCPT comes first")
        await talk.hear("RSET")
        await talk.say("250 2.0.0 ok")

    with pytest.raises(errors.TerminalError, match=r"bob@b\.example") as caught:
        await send(tmp_path, script)
    assert caught.value.status == status


async def test_a_wrong_password(tmp_path: Path) -> None:
    async def script(talk: Talk) -> None:
        await talk.say("220 a.example ESMTP")
        await talk.hear("EHLO")
        await talk.say("250-a.example", "250 AUTH PLAIN")
        await talk.hear("AUTH")
        await talk.say("535 5.7.8 authentication failed")

    with pytest.raises(errors.NotAllowedError, match="mshare login"):
        await send(tmp_path, script)


async def test_success_before_the_server_has_proven_itself(tmp_path: Path) -> None:
    """SCRAM's second half is the server's proof: without it the yes is worthless."""

    async def script(talk: Talk) -> None:
        await talk.say("220 a.example ESMTP")
        await talk.hear("EHLO")
        await talk.say("250-a.example", "250 AUTH SCRAM-SHA-256")
        await talk.hear("AUTH SCRAM-SHA-256")
        await talk.say("235 2.7.0 welcome")

    with pytest.raises(errors.ProtocolError, match="proven itself"):
        await send(tmp_path, script)


async def test_another_name_in_the_certificate(tmp_path: Path) -> None:
    async with servers(tmp_path, names=("b.example",)) as made:
        connection = SubmissionConnection(made.profile, client_context(made.profile))
        with pytest.raises(errors.UnavailableError, match="not trusted"):
            await connection.open(PASSWORD)
