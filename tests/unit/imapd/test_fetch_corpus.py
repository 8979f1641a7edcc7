# SPDX-License-Identifier: Apache-2.0
"""What FETCH says of real messages, beside what the standard library finds in them."""

from __future__ import annotations

import asyncio
import email.policy
from collections.abc import AsyncIterator
from email.headerregistry import Address
from email.message import EmailMessage, Message
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from maild.store.rope import Base64, Constant, Piece, Raw, Rope
from maild.wire import mime
from tests.unit.imapd.mailroom import Mailroom, Rendering, mailroom
from tests.unit.imapd.strict import Value

FILE = bytes(range(256)) * 300


def plain() -> EmailMessage:
    made = EmailMessage(policy=email.policy.SMTP)
    made["From"] = Address("Alice Example", "alice", "a.example")
    made["To"] = "Bob <bob@b.example>, carol@c.example"
    made["Cc"] = '"Doe, Jane" <jane@d.example>'
    made["Subject"] = "Grüße aus Köln"
    made["Date"] = "Tue, 14 Nov 2023 23:30:00 -0500"
    made["Message-ID"] = "<1@a.example>"
    made.set_content("Grüße, Bob.\nZeile zwei.\n")
    return made


def attached() -> EmailMessage:
    made = plain()
    made.add_alternative("<p>Grüße</p>\n", subtype="html", cte="quoted-printable")
    made.add_attachment(
        FILE, "application", "octet-stream", filename="Äpfel & Birnen.bin"
    )
    made.add_attachment("a,b\r\n1,2\r\n", subtype="csv", filename="table.csv")
    return made


def forwarded() -> EmailMessage:
    made = plain()
    made.add_attachment(attached(), disposition="inline")
    made["In-Reply-To"] = "<0@a.example>"
    return made


def large_text() -> EmailMessage:
    made = plain()
    made.set_content("Zeile für Zeile.\n" * 9000, cte="base64")
    return made


def octets_of(made: EmailMessage) -> bytes:
    return made.as_bytes(policy=email.policy.SMTP)


CORPUS = {
    "plain": octets_of(plain()),
    "attached": octets_of(attached()),
    "forwarded": octets_of(forwarded()),
    "large text": octets_of(large_text()),
    "no header": b"\r\njust a body\r\n",
    "no body": b"From: a@a.example\r\n\r\n",
    "nothing": b"",
    "quotes": b'From: "A \\"B\\" (C" <x@a.example>\r\nSubject: a"b\\c {5}\r\n\r\nx\r\n',
    "raw 8-bit": "Subject: Grüße\r\n\r\nx\r\n".encode("latin-1"),
    "group": b"To: friends: a@a.example, B <b@b.example>;\r\n\r\n",
    "odd base64": (
        b"Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        b"aGVs\r\nbG8=\r\n"
    ),
    "unclosed": (
        b'Content-Type: multipart/mixed; boundary="x"\r\n\r\n--x\r\n\r\none\r\n--x\r\n'
        b"Content-Type: text/html\r\n\r\ntwo"
    ),
    "empty multipart": b"Content-Type: multipart/mixed; boundary=x\r\n\r\nnothing\r\n",
}


@pytest_asyncio.fixture
async def room(tmp_path: Path) -> AsyncIterator[Mailroom]:
    async with mailroom(tmp_path / "store") as opened:
        yield opened


async def receive(room: Mailroom, octets: bytes) -> Rendering:
    """Put a message into the mailbox as the receiving station does."""
    reader = mime.MessageReader(binary=False)
    steps = [*reader.feed(memoryview(octets)), *reader.finish()]
    pieces: list[Piece] = []
    content = b""
    for step in steps:
        match step:
            case mime.Constant(found):
                pieces.append(Constant(found))
            case mime.BlobStart():
                content = b""
            case mime.BlobOctets(found):
                content += found
            case mime.BlobEnd(as_base64, open_end):
                blob, size = await room.blob(content), len(content)
                pieces.append(
                    Base64(blob, size, open_end) if as_base64 else Raw(blob, 0, size)
                )
    made = Rendering(Rope(pieces), reader.structure)
    await room.add(made)
    return made


def leaves(part: Message, number: str = "") -> list[tuple[str, Message]]:
    """Return the leaf parts with their IMAP part numbers."""
    if part.get_content_type() == "message/rfc822":
        inner = part.get_payload()
        assert isinstance(inner, list)
        found = inner[0]
        assert isinstance(found, Message)
        return leaves(found, f"{number}.1" if not found.is_multipart() else number)
    if not part.is_multipart():
        return [(number or "1", part)]
    dot = f"{number}." if number else ""
    payload = part.get_payload()
    assert isinstance(payload, list)
    return [
        leaf
        for place, child in enumerate(payload, 1)
        if isinstance(child, Message)
        for leaf in leaves(child, f"{dot}{place}")
    ]


@pytest.mark.parametrize("name", CORPUS)
async def test_the_whole_comes_back_and_everything_can_be_asked(
    room: Mailroom, name: str
) -> None:
    octets = CORPUS[name]
    await receive(room, octets)
    found = await room.fetch(
        "(BODY.PEEK[] RFC822.SIZE ENVELOPE BODY BODYSTRUCTURE BODY.PEEK[HEADER]"
        " BODY.PEEK[TEXT] BODY.PEEK[1] PREVIEW)"
    )
    assert found["BODY[]"] == octets
    assert found["RFC822.SIZE"] == len(octets)
    assert found["BODY[HEADER]"] + found["BODY[TEXT]"] == octets
    assert len(found["ENVELOPE"]) == 10


@pytest.mark.parametrize("name", ["plain", "attached", "forwarded", "large text"])
async def test_parts_are_those_that_the_library_finds(
    room: Mailroom, name: str
) -> None:
    await receive(room, CORPUS[name])
    known = email.message_from_bytes(CORPUS[name], policy=email.policy.SMTP)
    for number, part in leaves(known):
        found = await room.fetch(f"(BINARY.PEEK[{number}] BODY.PEEK[{number}])")
        octets = part.get_payload(decode=True)
        assert isinstance(octets, bytes)
        binary = found[f"BINARY[{number}]"]
        # the library counts the line end before a boundary differently
        assert binary.rstrip(b"\r\n") == octets.rstrip(b"\r\n")
        size = (await room.fetch(f"(BINARY.SIZE[{number}])"))[f"BINARY.SIZE[{number}]"]
        assert size == len(binary)


async def test_envelope_is_what_the_library_reads(room: Mailroom) -> None:
    await receive(room, CORPUS["forwarded"])
    envelope = (await room.fetch("ENVELOPE"))["ENVELOPE"]
    alice = ((b"Alice Example", None, b"alice", b"a.example"),)
    assert envelope == (
        b"Tue, 14 Nov 2023 23:30:00 -0500",
        b"=?utf-8?b?R3LDvMOfZSBhdXMgS8O2bG4=?=",
        alice,
        alice,
        alice,
        (
            (b"Bob", None, b"bob", b"b.example"),
            (None, None, b"carol", b"c.example"),
        ),
        ((b"Doe, Jane", None, b"jane", b"d.example"),),
        None,
        b"<0@a.example>",
        b"<1@a.example>",
    )


async def test_structure_of_attachments(room: Mailroom) -> None:
    await receive(room, CORPUS["attached"])
    found: Any = (await room.fetch("BODYSTRUCTURE"))["BODYSTRUCTURE"]
    alternative, file, table, kind, *rest = found
    assert kind == b"MIXED"
    assert alternative[:3][2] == b"ALTERNATIVE"
    assert alternative[1][5] == b"QUOTED-PRINTABLE"
    assert file[:2] == (b"APPLICATION", b"OCTET-STREAM")
    assert file[5] == b"BASE64"
    assert file[8] == (
        b"attachment",
        (b"FILENAME*", b"utf-8''%C3%84pfel%20%26%20Birnen.bin"),
    )
    assert table[:2] == (b"TEXT", b"CSV")
    assert _parameter(rest[0], b"BOUNDARY")


def _parameter(words: Value, name: bytes) -> bytes:
    found = dict(zip(words[::2], words[1::2], strict=True))[name]
    assert isinstance(found, bytes)
    return found


async def test_structure_of_a_forwarded_message(room: Mailroom) -> None:
    octets = CORPUS["forwarded"]
    await receive(room, octets)
    found: Any = (await room.fetch("BODYSTRUCTURE"))["BODYSTRUCTURE"]
    message = found[1]
    assert message[:2] == (b"MESSAGE", b"RFC822")
    assert message[7][9] == b"<1@a.example>"
    assert message[8][3] == b"MIXED"
    inner = await room.fetch("(BODY.PEEK[2] BODY.PEEK[2.HEADER] BODY.PEEK[2.2.MIME])")
    assert inner["BODY[2]"] in octets
    assert message[9] == inner["BODY[2]"].count(b"\n")
    assert inner["BODY[2.HEADER]"].startswith(b"From: Alice Example")
    assert b"octet-stream" in inner["BODY[2.2.MIME]"]


async def test_the_group_is_written_as_the_rfc_says(room: Mailroom) -> None:
    await receive(room, CORPUS["group"])
    to = (await room.fetch("ENVELOPE"))["ENVELOPE"][5]
    assert to == (
        (None, None, b"friends", None),
        (None, None, b"a", b"a.example"),
        (b"B", None, b"b", b"b.example"),
        (None, None, None, None),
    )


async def test_searches_look_into_encodings(room: Mailroom) -> None:
    await asyncio.gather(
        *(receive(room, CORPUS[name]) for name in ("plain", "large text"))
    )
    assert await room.search('SUBJECT "köln"') == [1, 2]
    assert await room.search('BODY "ZEILE FÜR"') != []
    assert await room.search('BODY "zeile zwei"') != []
    assert await room.search("BODY octet") == []
