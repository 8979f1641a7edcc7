# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

import pytest

from maild.delivery import letter
from maild.delivery.client import Tls
from maild.delivery.letter import Letter
from maild.delivery.octets import Octets
from maild.delivery.work import Tally
from maild.mail.address import parse_address
from maild.mail.reply import Reply, ReplyError
from maild.store.rope import Base64, Constant, Raw, Rope
from tests.unit.delivery.peer import EXIM, OURS, POSTFIX, Peer, make_certificate
from tests.unit.delivery.rig import (
    ALICE,
    BOB,
    client,
    noise,
    open_store,
    put,
    route,
    threads,
)

HEAD = b"Subject: a letter\r\n\r\n"


async def send(
    peer: Peer, mail: Letter, tmp_path: Path, *, blob: bytes = b""
) -> tuple[Reply, Tally]:
    tally = Tally(0.0)
    with open_store(tmp_path / "store") as store, threads() as readers:
        if blob:
            assert put(store, blob).id == 1
        session = await client().connect(route(peer.port), Tls.MAY)
        try:
            with Octets(store.blobs, readers) as octets:
                reply = await letter.send(session, mail, octets, tally)
        finally:
            await session.channel.quit()
    return reply, tally


async def refusal(peer: Peer, mail: Letter, tmp_path: Path) -> str:
    with pytest.raises(ReplyError) as caught:
        await send(peer, mail, tmp_path)
    return str(caught.value.reply)


def mail_of(octets: bytes) -> Letter:
    return Letter(ALICE, BOB, Rope((Constant(octets),)))


@pytest.mark.parametrize("keywords", [OURS, POSTFIX, EXIM, ()])
async def test_a_small_letter_arrives_as_it_is(
    keywords: tuple[str, ...], tmp_path: Path
) -> None:
    octets = HEAD + b".dots\r\n..\r\n.\r\nend\r\n"
    async with Peer(keywords=keywords).serving() as peer:
        reply, tally = await send(peer, mail_of(octets), tmp_path)
    assert reply.code == 250
    assert peer.messages == [octets]
    assert tally.sent == len(octets)
    assert peer.verbs[-1] == "QUIT"


@pytest.mark.parametrize("keywords", [OURS, POSTFIX, EXIM, ("CHUNKING",)])
async def test_a_blob_arrives_as_base64_lines(
    keywords: tuple[str, ...], tmp_path: Path
) -> None:
    content = noise(1_000_003)
    rope = Rope(
        (
            Constant(HEAD),
            Base64(1, len(content), open_end=True),
            Constant(b"\r\nend\r\n"),
        )
    )
    async with Peer(keywords=(*keywords, "SIZE 9999999")).serving() as peer:
        await send(peer, Letter(ALICE, BOB, rope), tmp_path, blob=content)
    (message,) = peer.messages
    assert len(message) == rope.size
    body = message.removeprefix(HEAD).removesuffix(b"\r\nend\r\n")
    assert base64.b64decode(body) == content
    assert {len(line) for line in body.split(b"\r\n")[:-1]} == {76}


@pytest.mark.parametrize("size", [1, 70_000, 9 * 1024 * 1024 + 1])
async def test_raw_octets_arrive_as_they_are(size: int, tmp_path: Path) -> None:
    content = noise(size)
    rope = Rope((Constant(HEAD), Raw(1, 0, size), Constant(b"\r\n")))
    async with Peer().serving() as peer:
        await send(peer, Letter(ALICE, BOB, rope), tmp_path, blob=content)
    assert peer.messages == [HEAD + content + b"\r\n"]
    assert "BODY=BINARYMIME" in peer.commands[1]
    chunks = [int(c.split()[1]) for c in peer.commands if c.startswith("BDAT")]
    assert max(chunks) <= letter.FOREIGN_CHUNK
    assert all(chunks)


async def test_raw_octets_arrive_under_tls_too(tmp_path: Path) -> None:
    content = noise(3 * 1024 * 1024 + 5)
    certificate = make_certificate(tmp_path, "b.example")
    rope = Rope((Constant(HEAD), Raw(1, 0, len(content))))
    async with Peer(tls=certificate.context).serving() as peer:
        await send(peer, Letter(ALICE, BOB, rope), tmp_path, blob=content)
    assert peer.messages == [HEAD + content]


async def test_eight_bits_are_declared_or_refused(tmp_path: Path) -> None:
    mail = mail_of(HEAD + "grün\r\n".encode())
    async with Peer(keywords=POSTFIX).serving() as peer:
        await send(peer, mail, tmp_path)
    assert "BODY=8BITMIME" in peer.commands[1]
    async with Peer(keywords=("SIZE 9999",)).serving() as peer:
        assert (await refusal(peer, mail, tmp_path)).startswith("554 5.6.3")
    assert "MAIL" not in peer.verbs


@pytest.mark.parametrize(
    "trick",
    [b"\n.\n", b"\n.\r\n", b"\r.\r\n", b"\r\n.\n", b"\r\n.\r", b"\r.\r", b"\0.\r\n"],
)
async def test_an_end_of_data_in_disguise_never_reaches_data(
    trick: bytes, tmp_path: Path
) -> None:
    octets = HEAD + b"text" + trick + b"MAIL FROM:<x@y>\r\n"
    async with Peer(keywords=POSTFIX).serving() as peer:
        said = await refusal(peer, mail_of(octets), tmp_path)
    assert said.startswith("554 5.6.3")
    assert peer.content == 0
    async with Peer().serving() as peer:  # BDAT counts: nothing can be smuggled
        await send(peer, mail_of(octets), tmp_path)
    assert peer.messages == [octets]


async def test_smtputf8_is_declared_or_refused(tmp_path: Path) -> None:
    mail = Letter(ALICE, parse_address("jörg@b.example"), Rope((Constant(HEAD),)))
    async with Peer().serving() as peer:
        await send(peer, mail, tmp_path)
    assert peer.commands[1].endswith("SMTPUTF8")
    async with Peer(keywords=POSTFIX).serving() as peer:
        assert (await refusal(peer, mail, tmp_path)).startswith("550 5.6.7")


async def test_what_is_too_large_is_not_begun(tmp_path: Path) -> None:
    async with Peer(keywords=("SIZE 10",)).serving() as peer:
        said = await refusal(peer, mail_of(HEAD), tmp_path)
    assert said.startswith("552 5.3.4")
    assert "MAIL" not in peer.verbs


async def test_size_zero_means_no_limit(tmp_path: Path) -> None:
    async with Peer(keywords=("SIZE 0",)).serving() as peer:
        reply, _ = await send(peer, mail_of(HEAD), tmp_path)
    assert reply.code == 250


@pytest.mark.parametrize("keywords", [OURS, POSTFIX, ()])
@pytest.mark.parametrize("verb", ["MAIL", "RCPT"])
async def test_the_first_refusal_is_the_outcome(
    keywords: tuple[str, ...], verb: str, tmp_path: Path
) -> None:
    plan = Peer(
        keywords=keywords,
        answers={verb: ["550 5.1.1 nobody here"], "LAST": ["554 5.5.1 no recipients"]},
    )
    async with plan.serving() as peer:
        said = await refusal(peer, mail_of(HEAD), tmp_path)
    assert said == "550 5.1.1 nobody here"
    assert peer.messages == []


@pytest.mark.parametrize("keywords", [OURS, POSTFIX, EXIM])
async def test_a_refused_content_is_the_outcome(
    keywords: tuple[str, ...], tmp_path: Path
) -> None:
    plan = Peer(keywords=keywords, answers={"LAST": ["452 4.3.1 no room"]})
    async with plan.serving() as peer:
        assert await refusal(peer, mail_of(HEAD), tmp_path) == "452 4.3.1 no room"


async def test_a_reply_without_enhanced_code_is_understood(tmp_path: Path) -> None:
    plan = Peer(keywords=(), answers={"RCPT": ["550-no\r\n550 such user"]})
    async with plan.serving() as peer:
        with pytest.raises(ReplyError) as caught:
            await send(peer, mail_of(HEAD), tmp_path)
    assert caught.value.reply.is_permanent
    assert caught.value.reply.status == ""


@pytest.mark.parametrize(
    "change",
    [
        lambda p: p.answers.update({"MAIL": [None]}),
        lambda p: p.answers.update({"DATA": [None]}),
        lambda p: p.answers.update({"LAST": [None]}),
        lambda p: p.answers.update({"RCPT": ["nonsense"]}),
        lambda p: p.answers.update({"MAIL": ["250 ok\r\n250 twice\r\n250 thrice"]}),
        lambda p: p.answers.update({"MAIL": ["421 4.3.2 closing"]}),
    ],
)
async def test_a_server_that_misbehaves_is_tried_again(
    change: Callable[[Peer], None], tmp_path: Path
) -> None:
    plan = Peer(keywords=POSTFIX)
    change(plan)
    async with plan.serving() as peer:
        with pytest.raises(ReplyError) as caught:
            await send(peer, mail_of(HEAD), tmp_path)
    assert caught.value.reply.is_temporary
