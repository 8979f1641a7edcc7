# SPDX-License-Identifier: Apache-2.0
"""FETCH against a real store; answers are read back by a strict reader."""

from __future__ import annotations

import asyncio
import base64
import os
import quopri
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from maild.imapd import arrival
from maild.imapd.connection import ClosedError
from maild.store import messages
from maild.store.rope import Base64, Constant, Raw
from maild.wire.imap_write import NoError
from tests.unit.imapd.mailroom import Mailroom, Rendering, Sent, mailroom, mixed
from tests.unit.imapd.strict import read_fetches

FILE = bytes(range(256)) * 800
"""204,800 octets, more than what is kept in the index; NUL is in it."""
NOTE = "Grüße, Bob.\r\n".encode()


@pytest_asyncio.fixture
async def room(tmp_path: Path) -> AsyncIterator[Mailroom]:
    async with mailroom(tmp_path / "store") as opened:
        yield opened


async def with_file(room: Mailroom, octets: bytes = FILE) -> tuple[Rendering, bytes]:
    made = mixed(NOTE, Base64(await room.blob(octets), len(octets), open_end=True))
    await room.add(made)
    return made, await made.octets(room.store)


async def test_facts(room: Mailroom) -> None:
    made = mixed(NOTE, Constant(b"AAAA"))
    uid = await room.add(made, "\\Flagged", "$Offer")
    found = await room.fetch("(UID FLAGS INTERNALDATE RFC822.SIZE MODSEQ EMAILID)")
    assert found.pop("MODSEQ")
    assert found.pop("EMAILID")
    assert found == {
        "UID": uid,
        "FLAGS": ("$Offer", "\\Flagged"),
        "INTERNALDATE": b"14-Nov-2023 22:13:20 +0000",
        "RFC822.SIZE": made.structure.size,
    }


async def test_uid_fetch_always_tells_the_uid(room: Mailroom) -> None:
    await room.add(mixed(NOTE, Constant(b"AAAA")))
    assert set(await room.fetch("FLAGS", uid=True)) == {"UID", "FLAGS"}


async def test_flags_are_told_without_a_look_at_contents(
    room: Mailroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    await room.add_many([mixed(b"%d" % n, Constant(b"")) for n in range(500)])
    monkeypatch.delattr(messages, "content")
    found = read_fetches(await room.fetch_raw("(UID FLAGS)"))
    assert [number for number, _ in found] == list(range(1, 501))


async def test_envelope_and_structures(room: Mailroom) -> None:
    await with_file(room)
    found = await room.fetch("(ENVELOPE BODY BODYSTRUCTURE)")
    assert found["ENVELOPE"][1] == b"subject"
    assert found["BODY"][2] == b"MIXED"
    assert found["BODYSTRUCTURE"][3] == (b"boundary".upper(), b"b")


async def test_the_whole_and_its_sections(room: Mailroom) -> None:
    made, whole = await with_file(room)
    note, file = made.structure.root.children
    found = await room.fetch(
        "(BODY.PEEK[] BODY.PEEK[HEADER] BODY.PEEK[TEXT] BODY.PEEK[1] BODY.PEEK[2]"
        " BODY.PEEK[2.MIME] BODY.PEEK[3] RFC822.HEADER"
        " BODY.PEEK[HEADER.FIELDS (SHARE-NUMBER)])"
    )
    assert found == {
        "BODY[]": whole,
        "BODY[HEADER]": whole[: made.structure.root.body_start],
        "RFC822.HEADER": whole[: made.structure.root.body_start],
        "BODY[TEXT]": whole[made.structure.root.body_start :],
        "BODY[1]": NOTE,
        "BODY[2]": whole[file.body_start : file.body_end],
        "BODY[2.MIME]": whole[file.header_start : file.body_start],
        "BODY[3]": None,
        "BODY[HEADER.FIELDS (SHARE-NUMBER)]": b"Share-Number: 001\r\n\r\n",
    }
    assert note.size == len(NOTE)


async def test_partials_are_slices_of_the_whole(room: Mailroom) -> None:
    _, whole = await with_file(room)

    async def check(start: int, count: int) -> None:
        text = f"(BODY.PEEK[]<{start}.{count}> BINARY.PEEK[2]<{start}.{count}>)"
        assert await room.fetch(text) == {
            f"BODY[]<{start}>": whole[start : start + count],
            f"BINARY[2]<{start}>": FILE[start : start + count],
        }

    for start in (0, 1, len(whole) - 3, len(whole), 2**62):
        for count in (1, 77, 100_000, 2**62):
            await check(start, count)


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    size=st.sampled_from([0, 1, 56, 57, 58, 114, 171, 65_536, 70_001]),
    open_end=st.booleans(),
    cuts=st.lists(
        st.tuples(st.integers(0, 100_000), st.integers(1, 100_000)), max_size=4
    ),
)
def test_any_partial_is_a_slice(
    tmp_path_factory: pytest.TempPathFactory,
    size: int,
    open_end: bool,
    cuts: list[tuple[int, int]],
) -> None:
    async def check() -> None:
        async with mailroom(tmp_path_factory.mktemp("store")) as room:
            octets = FILE[:size]
            made = mixed(NOTE, Base64(await room.blob(octets), size, open_end=open_end))
            await room.add(made)
            whole = await made.octets(room.store)
            for start, count in cuts:
                found = await room.fetch(
                    f"(BODY.PEEK[]<{start}.{count}> BINARY.PEEK[2]<{start}.{count}>)"
                )
                assert found[f"BODY[]<{start}>"] == whole[start : start + count]
                assert found[f"BINARY[2]<{start}>"] == octets[start : start + count]

    asyncio.run(check())


async def test_seen_is_set_once_and_told(room: Mailroom) -> None:
    await with_file(room)
    first = await room.fetch("(BODY[1])")
    assert first == {"BODY[1]": NOTE, "FLAGS": ("\\Seen",)}
    assert await room.fetch("(BODY[1])") == {"BODY[1]": NOTE}


async def test_peek_and_read_only_set_nothing(room: Mailroom) -> None:
    await with_file(room)
    await room.fetch("(BODY.PEEK[1] BINARY.PEEK[2]<0.1> RFC822.HEADER)")
    await room.fetch_raw("(BODY[1])", read_only=True)
    assert (await room.fetch("FLAGS"))["FLAGS"] == ()


async def test_binary_of_what_is_kept_as_it_came(room: Mailroom) -> None:
    content = os.urandom(100_000)
    odd = b"\r\n".join(
        base64.b64encode(content)[n : n + 61] for n in range(0, 140_000, 61)
    )
    made = mixed(
        quopri.encodestring(NOTE),
        Raw(await room.blob(odd), 0, len(odd)),
        note_encoding="quoted-printable",
    )
    await room.add(made)
    found = await room.fetch(
        "(BINARY.PEEK[1] BINARY.SIZE[1] BINARY.SIZE[2] BINARY.PEEK[2]"
        " BINARY.PEEK[2]<70000.5000>)"
    )
    assert found == {
        "BINARY[1]": NOTE,
        "BINARY.SIZE[1]": len(NOTE),
        "BINARY.SIZE[2]": len(content),
        "BINARY[2]": content,
        "BINARY[2]<70000>": content[70000:75000],
    }


async def test_binary_sizes(room: Mailroom) -> None:
    made, _ = await with_file(room)
    found = await room.fetch("(BINARY.SIZE[1] BINARY.SIZE[2] BINARY.SIZE[])")
    assert list(found.values()) == [len(NOTE), len(FILE), made.structure.size]


async def test_an_unknown_encoding_fails_after_the_others_were_answered(
    room: Mailroom,
) -> None:
    await room.add(mixed(NOTE, Constant(b"x"), encoding="x-uuencode"))
    await room.add(mixed(NOTE, Constant(b"aGk="), encoding="base64"))
    sent = Sent()
    with pytest.raises(NoError) as refusal:
        await room.fetch_raw("BINARY.PEEK[2]", sent=sent)
    assert refusal.value.code == "UNKNOWN-CTE"
    assert read_fetches(sent.octets) == [(2, {"BINARY[2]": b"hi"})]


async def test_only_a_literal8_holds_nul(room: Mailroom) -> None:
    await room.add(mixed(b"a\0b", Constant(b"c\0d"), encoding="8bit"))
    raw = await room.fetch_raw("(BODY.PEEK[1] BINARY.PEEK[2])")
    assert read_fetches(raw)[0][1] == {"BODY[1]": b"a\x80b", "BINARY[2]": b"c\0d"}
    assert b"~{3}\r\nc\0d" in raw


async def test_sizes_an_old_program_cannot_read_are_capped(room: Mailroom) -> None:
    huge = Base64(await room.blob(FILE), 2**40)
    await room.add(mixed(NOTE, huge))
    old, new = await room.fetch("RFC822.SIZE"), await room.fetch("ALL", rev2=True)
    assert old["RFC822.SIZE"] == 2**32 - 1
    assert new["RFC822.SIZE"] > 2**40


async def test_a_message_that_is_gone_is_told_at_the_end(room: Mailroom) -> None:
    await with_file(room)
    keep = await room.add(mixed(NOTE, Constant(b"")))
    lines = await room.lines()
    await room.store.index.write(messages.expunge, room.mailbox_id, [1])

    async def stale() -> list[tuple[int, messages.Line]]:
        return lines

    room.lines = stale  # type: ignore[method-assign]
    sent = Sent()
    with pytest.raises(NoError) as refusal:
        await room.fetch_raw("(UID BODY.PEEK[1])", sent=sent)
    assert refusal.value.code == "EXPUNGEISSUED"
    assert [found["UID"] for _, found in read_fetches(sent.octets)] == [keep]


async def test_a_literal_that_cannot_be_completed_ends_the_connection(
    room: Mailroom, caplog: pytest.LogCaptureFixture
) -> None:
    await room.add(mixed(NOTE, Raw(await room.blob(FILE), 0, len(FILE) + 5)))
    with pytest.raises(ClosedError):
        await room.fetch_raw("BODY.PEEK[]")
    assert "cannot be completed" in caplog.text


class TestArrival:
    """Content that is still on its way."""

    async def test_headers_and_notes_are_there_the_whole_is_not(
        self, room: Mailroom
    ) -> None:
        writer = await room.growing(len(FILE))
        await asyncio.to_thread(writer.append, FILE[:100_000])
        await asyncio.to_thread(writer.flush)
        made = mixed(NOTE, Base64(writer.id, len(FILE), open_end=True))
        await room.add(made, complete=False)
        found = await room.fetch("(BODY.PEEK[HEADER] BODY.PEEK[1] BINARY.SIZE[2])")
        assert found["BODY[1]"] == NOTE
        assert found["BINARY.SIZE[2]"] == len(FILE)
        landed = await room.fetch("(BINARY.PEEK[2]<0.100000> BODY.PEEK[2]<0.5000>)")
        assert landed["BINARY[2]<0>"] == FILE[:100_000]
        for text in ("BODY.PEEK[]", "RFC822", "BODY[TEXT]", "BODY[2]", "BODY[]<0.1>"):
            with pytest.raises(NoError) as refusal:
                await room.fetch(text)
            assert refusal.value.code == "INUSE"
        assert (await room.fetch("FLAGS"))["FLAGS"] == ()
        await asyncio.to_thread(writer.abandon)

    async def test_binary_waits_and_shows_signs_of_life(
        self, room: Mailroom, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(arrival, "SIGN_OF_LIFE", 0.0)
        writer = await room.growing(len(FILE))
        made = mixed(
            NOTE, Base64(await asyncio.to_thread(lambda: writer.id), len(FILE))
        )
        await room.add(made, complete=False)
        sent = Sent()
        reading = asyncio.create_task(
            room.fetch_raw("BINARY.PEEK[2]<100000.50000>", sent=sent)
        )
        await asyncio.to_thread(writer.append, FILE[:149_999])
        await asyncio.to_thread(writer.flush)
        await sent.until(b"149999 150000")
        assert b"FETCH" not in sent.octets
        assert b'* OK [INPROGRESS ("a1" 149999 150000)]' in sent.octets
        await asyncio.to_thread(writer.append, FILE[149_999:])
        await asyncio.to_thread(writer.flush)
        found = read_fetches(await reading)
        assert found == [(1, {"BINARY[2]<100000>": FILE[100_000:150_000]})]
        await asyncio.to_thread(writer.abandon)

    async def test_a_source_that_has_stopped_sends_the_reader_away(
        self, room: Mailroom, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(arrival, "STALL", 0.0)
        writer = await room.growing(len(FILE))
        made = mixed(
            NOTE, Base64(await asyncio.to_thread(lambda: writer.id), len(FILE))
        )
        await room.add(made, complete=False)
        with pytest.raises(NoError) as refusal:
            await room.fetch_raw("BINARY.PEEK[2]<0.5>")
        assert refusal.value.code == "INUSE"
        await asyncio.to_thread(writer.abandon)
