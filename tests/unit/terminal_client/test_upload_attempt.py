# SPDX-License-Identifier: GPL-3.0-only
"""One attempt at an upload, word by word."""

from __future__ import annotations

import hashlib
import os
import re
from email.parser import BytesParser
from pathlib import Path

import pytest

from maild.mail.address import parse_address
from terminal_client import chunks, errors, reading, upload_attempt
from terminal_client.matching import Remembered
from terminal_client.session_smtp import SubmissionConnection
from terminal_client.tls import client_context
from tests.unit.terminal_client.fakes import PASSWORD, Script, Talk, landed, servers

ALICE = parse_address("alice@a.example")
OFFERS = ("CHUNKING", "BINARYMIME", "CHECKPOINT", "PIPELINING")


async def upload(
    folder: Path, script: Script, content: bytes
) -> upload_attempt.Receipt | errors.TerminalError:
    path = folder / "film.mov"
    path.write_bytes(content)
    async with servers(folder, smtp=script) as made:
        connection = SubmissionConnection(made.profile, client_context(made.profile))
        try:
            await connection.open(PASSWORD)
            with reading.open_file(path) as file:
                entry = Remembered("001", "Aaa123", str(path), False, file.shape, None)
                begun = upload_attempt.begin(ALICE, file, entry, "t1")
                return await upload_attempt.upload(
                    connection, ALICE, file, begun, lambda done, total: None
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
    assert receipt == upload_attempt.Receipt(
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
    for size in ("CHUNK_FIRST", "CHUNK_LEAST", "CHUNK_MOST"):
        monkeypatch.setattr(chunks, size, 1000)
    content = os.urandom(4321)

    async def script(talk: Talk) -> None:
        await talk.smtp_login(*OFFERS)
        await take_envelope(talk)
        message = await take_chunks(talk)
        assert message.endswith(content)
        assert len([line for line in talk.heard if line.startswith("BDAT 1000")]) >= 4
        await talk.say(landed(content))

    assert isinstance(await upload(tmp_path, script, content), upload_attempt.Receipt)


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
