# SPDX-License-Identifier: Apache-2.0
"""What the rendezvous and each server make sure of about an offer (seed 207, 208).

Three real servers.  Each refusal has its code, reaches the sender, and is listed by the
operator; however many offers come, the servers stay as they were.
"""

from __future__ import annotations

import email
import io
import json
import os
import re
import smtplib
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from maild.mail.address import Address, parse_address
from maild.mail.compose import Facts, offer_message
from maild.mail.offer import Offer
from tests.flows.plain import body, find, mailbox
from tests.flows.programs import (
    WITH_RENDEZVOUS,
    Programs,
    edit,
    eventually,
    playground,
    sha256,
)
from tests.flows.story import item_at, offer_at, transfer_of
from tests.unit.test_picture import png

ALICE = parse_address("alice@a.example")
BOB = parse_address("bob@b.example")
EVE = parse_address("eve@e.example")
LIMIT = {"offer_size_limit": 3_000_000, "offer_types_refused": ["application/x-tar"]}
FAILED = 69
DECLINED = 77


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Programs]:
    """Alice and bob know each other by numbers; the rendezvous has limits."""

    def change(made: Path) -> None:
        edit(made / "r.toml", "smtp", offers_per_minute=200, **LIMIT)
        edit(made / "b.toml", "smtp", offer_types_refused=["audio/*"])

    folder = tmp_path_factory.mktemp("monitor") / "playground"
    with playground(folder, change=change, servers=WITH_RENDEZVOUS) as made:
        made.log_in_number("alice")
        made.log_in_number("bob")
        made.mshare("bob", "number", "policy", "everyone")
        first = folder / "first.bin"
        first.write_bytes(b"hello")
        made.mshare("alice", "send", first, made.account("bob")["number"])
        offer_at(made, "bob", "first.bin")
        yield made


def send(programs: Programs, file: Path, *words: str) -> None:
    """Send from alice to bob's number: by the rendezvous."""
    programs.mshare("alice", "send", file, programs.account("bob")["number"], *words)


def a_picture(path: Path, side: int = 1200) -> Path:
    Image.effect_noise((side, side // 2), 90).convert("RGB").save(path, quality=85)
    return path


def offer_mail(programs: Programs, name: str) -> Message:
    """Return the message in bob's INBOX that offers a file, as any program sees it."""
    box = mailbox(programs, "bob")
    try:
        uid = eventually(
            lambda: find(box, "INBOX", "KEYWORD", "$Offer", "SUBJECT", name), name
        )
        octets = body(box, uid.decode())
    finally:
        box.logout()
    assert len(octets) < 64 * 1024
    return email.message_from_bytes(octets)


def notice(programs: Programs, name: str) -> str:
    """Return the notice in alice's INBOX about a file that was not sent."""
    box = mailbox(programs, "alice")
    try:
        uid = eventually(
            lambda: find(box, "INBOX", "SUBJECT", f'"delivered: {name}"'), name
        )
        return body(box, uid.decode()).decode()
    finally:
        box.logout()


def counted(programs: Programs, server: str, outcome: str) -> float:
    """Return how many offers of an outcome a server has counted."""
    port = programs.port(server, "http")
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as page:
        text = page.read().decode()
    name = re.escape(f'maild_offers_judged_total{{kind="offer",outcome="{outcome}"}} ')
    found = re.search(rf"^{name}(.*)$", text, re.MULTILINE)
    return float(found[1]) if found else 0.0


def listed(programs: Programs, server: str, where: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = programs.maild(
        server, "offers", "ls", "--where", where, "--json"
    ).json
    return found


def an_offer(number: int, **changes: Any) -> Offer:
    offer = Offer(
        id=f"by-hand-{number:05}", nonce=os.urandom(16).hex(), sender=ALICE,
        recipient=BOB, name=f"{number}.bin", type="application/octet-stream", size=1,
        sha256=None, created=int(time.time()), expires=int(time.time()) + 900,
        home="a.example", trace=os.urandom(8).hex(), rendezvous="rcs.example",
    )  # fmt: skip
    return replace(offer, **changes)


def by_hand(
    connection: smtplib.SMTP,
    offer: Offer,
    shown: bytes | None = None,
    *,
    sender: Address = ALICE,
    to: Address = BOB,
) -> tuple[int, str]:
    """Bring an offer to a server as the sender's would; return what it answers."""
    facts = Facts(f"{offer.id}@a.example", time.time(), offer.trace)
    octets = offer_message(offer, facts, shown).octets
    return deliver(connection, octets, sender, to)


def deliver(
    connection: smtplib.SMTP, octets: bytes, sender: Address = ALICE, to: Address = BOB
) -> tuple[int, str]:
    try:
        connection.sendmail(str(sender), [str(to)], octets)
    except smtplib.SMTPDataError as error:
        return error.smtp_code, _text(error.smtp_error)
    except smtplib.SMTPRecipientsRefused as error:
        code, text = error.recipients[str(to)]
        return code, _text(text)
    return 250, ""


def _text(said: bytes | str) -> str:
    return said if isinstance(said, str) else said.decode()


def at(programs: Programs, server: str) -> smtplib.SMTP:
    return smtplib.SMTP("127.0.0.1", programs.port(server, "smtp"), "peer.example")


def test_an_offer_passes_with_its_thumbnail(programs: Programs, tmp_path: Path) -> None:
    """By the rendezvous there and back; content goes straight, and R keeps none."""
    photo = a_picture(tmp_path / "photo.jpg")
    send(programs, photo)
    mail = offer_mail(programs, "photo.jpg")
    (shown,) = [p for p in mail.walk() if p.get_content_maintype() == "image"]
    octets = shown.get_payload(decode=True)
    assert isinstance(octets, bytes)
    assert len(octets) <= 10 * 1024
    with Image.open(io.BytesIO(octets)) as drawn:
        assert drawn.size == (256, 128)
    (html,) = [p for p in mail.walk() if p.get_content_type() == "text/html"]
    said = html.get_payload(decode=True)
    assert isinstance(said, bytes)
    assert f"cid:{shown['Content-ID'][1:-1]}".encode() in said
    assert len(mail.get_all("Received", [])) == 2  # at r, and at b

    programs.mshare("bob", "accept", offer_at(programs, "bob", "photo.jpg")["id"])
    item = item_at(programs, "bob", "photo.jpg", photo.stat().st_size)
    programs.mshare("bob", "get", item["id"], "-o", tmp_path / "got.jpg")
    assert sha256(tmp_path / "got.jpg") == sha256(photo)
    transfer_of(programs, "alice", "photo.jpg", "sent")

    (passed,) = [p for p in listed(programs, "r", "passed") if p["name"] == "photo.jpg"]
    assert passed["outcome"] == "accepted"
    (here,) = [p for p in listed(programs, "b", "here") if p["name"] == "photo.jpg"]
    assert (here["outcome"], here["via"]) == ("arrived", "rcs.example")
    assert here["trace"] == passed["trace"]
    assert "offer passes" in programs.maild("r", "trace", passed["trace"]).out
    assert not [
        p for p in (programs.folder / "r/store/blobs").rglob("*") if p.is_file()
    ]
    assert counted(programs, "r", "passed") >= 2
    assert counted(programs, "b", "taken") >= 2


def test_no_thumbnail_if_so_wished(programs: Programs, tmp_path: Path) -> None:
    send(programs, a_picture(tmp_path / "bare.jpg"), "--no-thumbnail")
    mail = offer_mail(programs, "bare.jpg")
    assert not [p for p in mail.walk() if p.get_content_maintype() == "image"]


@pytest.mark.parametrize(
    ("name", "octets", "status"),
    [("large.bin", 3_000_001, "5.2.3"), ("docs.tar", 1000, "5.6.1")],
)
def test_what_the_rendezvous_refuses_is_told(
    programs: Programs, tmp_path: Path, name: str, octets: int, status: str
) -> None:
    file = tmp_path / name
    file.write_bytes(os.urandom(octets))
    send(programs, file)
    found = transfer_of(programs, "alice", name, "failed")
    assert found["status"] == status
    told = programs.mshare("alice", "status", found["id"], expect=FAILED)
    assert status in told.out
    assert status in notice(programs, name)
    assert programs.mshare("alice", "explain", status).out
    assert listed(programs, "r", "refused")[0]["reply"].split(" ")[1] == status
    assert not [o for o in programs.mshare("bob", "offers", "--json").json
                if o["name"] == name]  # fmt: skip


def test_what_the_destination_refuses_comes_back_as_an_answer(
    programs: Programs, tmp_path: Path
) -> None:
    song = tmp_path / "song.mp3"
    song.write_bytes(os.urandom(1000))
    send(programs, song)
    found = transfer_of(programs, "alice", "song.mp3", "declined")
    assert found["status"] == "5.6.1"
    told = programs.mshare("alice", "status", found["id"], expect=DECLINED)
    assert "5.6.1" in told.out
    assert "5.6.1" in notice(programs, "song.mp3")
    assert listed(programs, "b", "refused")[0]["outcome"] == "type"
    (passed,) = [p for p in listed(programs, "r", "passed") if p["name"] == "song.mp3"]
    assert passed["outcome"] == "declined"


def test_without_a_rendezvous_the_destination_refuses(
    programs: Programs, tmp_path: Path
) -> None:
    song = tmp_path / "direct.mp3"
    song.write_bytes(os.urandom(1000))
    programs.mshare("alice", "send", song, "carol@b.example")
    found = transfer_of(programs, "alice", "direct.mp3", "failed")
    assert found["status"] == "5.6.1"
    assert "5.6.1" in notice(programs, "direct.mp3")


def test_a_bomb_is_not_opened(programs: Programs) -> None:
    bombs = [
        png(50_000, 50_000, bytes(9000)),
        png(900, 900, b"", (b"zTXt", b"a\0\0" + bytes(9000))),
    ]
    for server in ("r", "b"):
        before = programs.servers[server].measure()
        with at(programs, server) as connection:
            for number, bomb in enumerate(bombs):
                code, text = by_hand(connection, an_offer(number), bomb)
                assert (code, text[:5]) == (554, "5.6.5")
        assert programs.servers[server].measure() < before + 8 * 2**20
        assert counted(programs, server, "thumbnail") == len(bombs)


def test_what_is_stale_forged_or_torn_has_its_code(programs: Programs) -> None:
    whole = offer_message(
        an_offer(10), Facts("x@a.example", time.time(), "0123456789abcdef"), None
    ).octets
    for server in ("r", "b"):
        with at(programs, server) as connection:
            stale = an_offer(11, expires=int(time.time()) - 1)
            assert by_hand(connection, stale)[1][:5] == "5.4.7"
            forged = an_offer(12, sender=parse_address("eve@a.example"))
            assert by_hand(connection, forged)[1][:5] == "5.7.7"
            torn = whole.replace(b'"kind": "offer"', b'"kind": "offer')
            assert deliver(connection, torn)[1][:5] == "5.5.5"
            long = whole + b"x" * 70 + b"\r\n" + b"y\r\n" * 22_000
            assert deliver(connection, long)[1][:5] == "5.3.4"


def test_a_stranger_uses_no_relay(programs: Programs) -> None:
    with at(programs, "r") as stranger:
        stranger.ehlo()
        for number, (sender, to) in enumerate(
            (
                (EVE, BOB),
                (ALICE, EVE),
                (ALICE, parse_address("carol@b.example")),
            ),
            20,
        ):
            offer = an_offer(number, sender=sender, recipient=to, home=sender.domain)
            told = by_hand(stranger, offer, sender=sender, to=to)
            assert told == (550, "5.7.1 relaying denied")
        mail = b"Subject: buy\r\n\r\nthis\r\n"
        assert deliver(stranger, mail) == (550, "5.7.1 relaying denied")
        stranger.mail("")
        code, text = stranger.rcpt("bob@b.example")
        assert (code, text[:5]) == (550, b"5.7.1")


def test_a_thousand_offers_a_minute(programs: Programs) -> None:
    """The first ones pass, the others are told to come later; memory stays flat."""
    server = programs.servers["r"]
    before = server.measure()
    answers: dict[str, int] = {}
    with at(programs, "r") as connection:
        for number in range(1000, 2000):
            code, text = by_hand(connection, an_offer(number))
            status = text[:6] if code != 250 else "250"
            answers[status] = answers.get(status, 0) + 1
    assert set(answers) == {"250", "4.7.28"}
    assert 150 <= answers["250"] <= 600  # 200, and what the bucket gets meanwhile
    grown = server.measure() - before
    assert grown < 12 * 2**20, grown
    assert counted(programs, "r", "rate") == answers["4.7.28"]
    assert len(listed(programs, "r", "refused")) <= 1000
    print(f"1,000 offers: {answers}, memory of r: +{grown / 2**20:.1f} MiB")


def test_a_flood_is_told_to_its_sender(tmp_path: Path) -> None:
    """Alice's own server keeps what comes too soon, says why, and offers it later."""

    def change(made: Path) -> None:
        edit(made / "b.toml", "smtp", offers_per_minute=1)

    with playground(tmp_path / "playground", change=change) as programs:
        one, two = tmp_path / "one.bin", tmp_path / "two.bin"
        for file in (one, two):
            file.write_bytes(os.urandom(100))
        programs.mshare("alice", "send", one, "bob@b.example")
        transfer_of(programs, "alice", one.name, "offered")
        programs.mshare("alice", "send", two, "bob@b.example")
        found = transfer_of(programs, "alice", two.name, "deferred")
        assert found["status"] == "4.7.28"
        told = programs.mshare("alice", "status", found["id"], expect=75)
        assert "4.7.28" in told.out


def test_without_the_rendezvous_it_goes_directly(tmp_path: Path) -> None:
    """Stopped, or without memory of the two: offer and answer need nobody between."""
    with playground(tmp_path / "playground", servers=WITH_RENDEZVOUS) as programs:
        for name in ("alice", "bob"):
            programs.log_in_number(name)
        programs.mshare("bob", "number", "policy", "everyone")
        names = ("by it.bin", "offered.bin", "answered.bin")
        files = [tmp_path / name for name in names]
        for file in files:
            file.write_bytes(os.urandom(500_000))
        send(programs, files[0])
        offer_at(programs, "bob", files[0].name)
        programs.servers["r"].stop()
        programs.mshare("bob", "accept", offer_at(programs, "bob", files[0].name)["id"])
        transfer_of(programs, "alice", files[0].name, "sent")
        programs.mshare("alice", "send", files[1], "bob@b.example")
        offer_at(programs, "bob", files[1].name)
        programs.servers["r"].start()  # it has not seen this offer: it passes no answer
        programs.mshare("bob", "accept", offer_at(programs, "bob", files[1].name)["id"])
        transfer_of(programs, "alice", files[1].name, "sent")
        lines = programs.servers["a"].lines("not by the rendezvous rcs.example")
        lines += programs.servers["b"].lines("not by the rendezvous rcs.example")
        assert lines
        told = programs.maild("r", "offers", "ls").out
        assert "by it.bin" in told
        assert "offered.bin" not in told
        assert json.loads(programs.maild("r", "offers", "ls", "--json").out)
