# SPDX-License-Identifier: GPL-3.0-only
"""What a terminal says on submission, word by word."""

from __future__ import annotations

import hashlib
import os
import re
from email import policy
from email.parser import BytesParser
from pathlib import Path

import pytest

from maild.mail.address import parse_address
from maild.wire.imap_url import ImapUrl
from terminal_client import errors, reading, submission
from terminal_client.matching import Remembered
from terminal_client.session_smtp import SubmissionConnection
from terminal_client.tls import client_context
from tests.unit.terminal_client.fakes import PASSWORD, Script, Talk, servers

ALICE, BOB = parse_address("alice@a.example"), parse_address("bob@b.example")
URL = ImapUrl("alice@a.example", "a.example", "Library", 7, 3)
OFFERS = ("CHUNKING", "BINARYMIME", "CHECKPOINT", "PIPELINING")


def nobody(done: int, total: int) -> None:
    """Show nothing."""


async def upload(
    folder: Path, script: Script, content: bytes
) -> submission.Receipt | errors.TerminalError:
    path = folder / "film.mov"
    path.write_bytes(content)
    async with servers(folder, smtp=script) as made:
        connection = SubmissionConnection(made.profile, client_context(made.profile))
        try:
            await connection.open(PASSWORD)
            with reading.open_file(path) as file:
                entry = Remembered("001", "Aaa123", str(path), False, file.shape, None)
                return await submission.upload(
                    connection, ALICE, file, entry, "t1", nobody
                )
        except errors.TerminalError as error:
            return error
        finally:
            await connection.close()


async def take_envelope(talk: Talk) -> int:
    """Take MAIL and RCPT of an upload; return the announced size."""
    mail = await talk.hear("MAIL FROM:<alice@a.example> SIZE=")
    assert " BODY=BINARYMIME" in mail
    assert re.search(r" TRANSID=<[0-9a-f]{32}@a\.example>", mail)
    await talk.hear("RCPT TO:<alice+library@a.example>")
    await talk.say("250 2.1.0 ok", "250 2.1.5 ok")
    return int(mail.split("SIZE=")[1].split(" ")[0])


async def take_chunks(talk: Talk) -> bytes:
    """Take BDAT chunks up to the last one."""
    message = b""
    while True:
        _, size, *last = (await talk.hear("BDAT ")).split(" ")
        message += await talk.reader.readexactly(int(size))
        if last:
            return message
        await talk.say("250 2.0.0 ok")


def landed(content: bytes, size: int | None = None) -> str:
    digest = hashlib.sha256(content).hexdigest()
    octets = len(content) if size is None else size
    return f"250 2.0.0 4Zx1cQ0b9Rz0 {octets} octets sha-256 {digest}"


@pytest.mark.parametrize("size", [0, 1, 3_000_000])
async def test_an_upload(tmp_path: Path, size: int) -> None:
    content = os.urandom(size)
    messages = []

    async def script(talk: Talk) -> None:
        await talk.smtp_login(*OFFERS)
        announced = await take_envelope(talk)
        messages.append(await take_chunks(talk))
        assert len(messages[0]) == announced
        await talk.say(landed(content))
        await talk.hear("QUIT")
        await talk.say("221 2.0.0 bye")

    receipt = await upload(tmp_path, script, content)
    assert receipt == submission.Receipt(
        "4Zx1cQ0b9Rz0", size, hashlib.sha256(content).hexdigest()
    )
    head, _, body = messages[0].partition(b"\r\n\r\n")
    assert body == content
    message = BytesParser().parsebytes(head + b"\r\n\r\n")
    assert message["Share-Number"] == "001"
    assert message["Share-Code"] == "Aaa123"
    assert message["Share-Terminal"] == "t1"
    assert message["Share-Type"] == "video/quicktime"
    assert message.get_content_type() == "application/octet-stream"
    assert message.get_filename() == "film.mov"


async def test_chunks_are_cut_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submission, "CHUNK", 1000)
    content = os.urandom(4321)

    async def script(talk: Talk) -> None:
        await talk.smtp_login(*OFFERS)
        await take_envelope(talk)
        message = await take_chunks(talk)
        assert message.endswith(content)
        assert len([line for line in talk.heard if line.startswith("BDAT 1000")]) >= 4
        await talk.say(landed(content))

    assert isinstance(await upload(tmp_path, script, content), submission.Receipt)


@pytest.mark.parametrize(
    ("reply", "status"),
    [
        (landed(b"something else", 9), os.EX_DATAERR),
        (landed(b"x" * 8, 9), os.EX_DATAERR),
        ("250 2.0.0 ok", os.EX_PROTOCOL),
        ("452 4.3.1 no room at the moment", os.EX_TEMPFAIL),
        ("552 5.3.4 too large", os.EX_UNAVAILABLE),
    ],
)
async def test_what_landed_is_compared(tmp_path: Path, reply: str, status: int) -> None:
    async def script(talk: Talk) -> None:
        await talk.smtp_login(*OFFERS)
        await take_envelope(talk)
        await take_chunks(talk)
        await talk.say(reply)

    found = await upload(tmp_path, script, b"x" * 8)
    assert isinstance(found, errors.TerminalError)
    assert found.status == status


async def test_a_refusal_within_the_content_ends_it_at_once(tmp_path: Path) -> None:
    """A server that is full says so and hangs up; the sentence is its own."""

    async def script(talk: Talk) -> None:
        await talk.smtp_login(*OFFERS)
        announced = await take_envelope(talk)
        await talk.hear("BDAT ")
        await talk.reader.readexactly(announced // 4)
        await talk.say("452 4.3.1 no room at the moment")
        assert len(await talk.reader.read(-1)) < announced

    found = await upload(tmp_path, script, bytes(40_000_000))
    assert isinstance(found, errors.TryLaterError)
    assert "4.3.1 no room at the moment" in str(found)


async def test_a_file_cut_short_leaves_an_unfinished_chunk(tmp_path: Path) -> None:
    """The server never sees the end of a torn file."""
    path = tmp_path / "film.mov"
    missing = []

    async def script(talk: Talk) -> None:
        await talk.smtp_login(*OFFERS)
        announced = await take_envelope(talk)
        await talk.hear("BDAT ")
        os.truncate(path, 1000)
        missing.append(announced - len(await talk.reader.read(-1)))

    found = await upload(tmp_path, script, bytes(60_000_000))
    assert isinstance(found, errors.ContentError)
    assert str(path) in str(found)
    assert missing[0] > 0


async def test_a_recipient_refused_before_the_content(tmp_path: Path) -> None:
    async def script(talk: Talk) -> None:
        await talk.smtp_login(*OFFERS)
        await talk.hear("MAIL")
        await talk.hear("RCPT")
        await talk.say("250 2.1.0 ok", "550 5.7.1 not as somebody else")
        await talk.hear("RSET")
        await talk.say("250 2.0.0 ok")
        await talk.hear("QUIT")

    found = await upload(tmp_path, script, b"x")
    assert isinstance(found, errors.NotAllowedError)


async def test_a_server_without_chunking(tmp_path: Path) -> None:
    async def script(talk: Talk) -> None:
        await talk.smtp_login("PIPELINING")
        await talk.hear("QUIT")

    found = await upload(tmp_path, script, b"x")
    assert isinstance(found, errors.ProtocolError)
    assert "CHUNKING" in str(found)


async def send(folder: Path, script: Script, note: str = "") -> str:
    async with servers(folder, smtp=script) as made:
        connection = SubmissionConnection(made.profile, client_context(made.profile))
        await connection.open(PASSWORD)
        try:
            return await submission.send(connection, ALICE, BOB, URL, "1", note)
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

    assert await send(tmp_path, script) == "4Zx1cQ0b9Rz0"


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
