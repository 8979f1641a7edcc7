# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
import hashlib
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from maild.delivery.client import Session, Tls
from maild.mail.reply import ReplyError
from tests.unit.delivery.peer import Certificate, Peer, make_certificate
from tests.unit.delivery.rig import client, route


async def refusal(
    peer: Peer, level: Tls = Tls.MAY, *, ca: str = "", idle: float = 5.0, **known: str
) -> str:
    with pytest.raises(ReplyError) as caught:
        await client(ca, idle=idle).connect(route(peer.port, **known), level)
    return str(caught.value.reply)


async def closed(session: Session) -> Session:
    await session.channel.quit()
    return session


async def test_ehlo_tells_what_the_server_can() -> None:
    async with Peer().serving() as peer:
        session = await closed(await client().connect(route(peer.port), Tls.MAY))
    assert session.takes_pushes
    assert session.ehlo.size == 1000000000
    assert session.tls == "none"
    assert peer.verbs == ["EHLO", "QUIT"]


async def test_a_server_of_another_age_is_greeted_with_helo() -> None:
    plan = Peer(answers={"EHLO": ["502 5.5.1 what?"]})
    async with plan.serving() as peer:
        session = await closed(await client().connect(route(peer.port), Tls.MAY))
    assert not session.ehlo.keywords
    assert peer.verbs == ["EHLO", "HELO", "QUIT"]


async def test_tls_is_used_when_offered_whoever_it_is(certificate: Certificate) -> None:
    async with Peer(tls=certificate.context).serving() as peer:
        session = await closed(await client().connect(route(peer.port), Tls.MAY))
    assert session.tls.startswith("TLSv1.")
    assert peer.verbs == ["EHLO", "STARTTLS", "EHLO", "QUIT"]


async def test_a_trusted_peer_shows_a_name_of_its_own(certificate: Certificate) -> None:
    async with Peer(tls=certificate.context).serving() as peer:
        connecting = client(certificate.ca_file).connect(route(peer.port), Tls.TRUSTED)
        session = await closed(await connecting)
    assert session.tls.startswith("TLSv1.")


async def test_an_unknown_ca_is_not_trusted(
    certificate: Certificate, tmp_path: Path
) -> None:
    other = make_certificate(tmp_path, "b.example")
    async with Peer(tls=certificate.context).serving() as peer:
        said = await refusal(peer, Tls.TRUSTED, ca=other.ca_file)
    assert said.startswith("451 4.7.5 TLS to 127.0.0.1[127.0.0.1]:")
    assert "MAIL" not in peer.verbs


async def test_a_certificate_for_another_name_is_not_trusted(tmp_path: Path) -> None:
    other = make_certificate(tmp_path, "c.example", "*.b.example")
    async with Peer(tls=other.context).serving() as peer:
        said = await refusal(peer, Tls.TRUSTED, ca=other.ca_file)
    assert "4.7.5" in said
    assert "another name" in said


async def test_a_fingerprint_replaces_the_ca(certificate: Certificate) -> None:
    right = hashlib.sha256(certificate.der).hexdigest()
    async with Peer(tls=certificate.context).serving() as peer:
        known = route(peer.port, fingerprint=right.upper())
        await closed(await client().connect(known, Tls.TRUSTED))
        said = await refusal(peer, Tls.TRUSTED, fingerprint="00" * 32)
        assert "fingerprint" in said
        assert "4.7.5" in said
        # a pinned peer is checked even where TLS is not asked for
        assert "4.7.5" in await refusal(peer, Tls.MAY, fingerprint="00" * 32)


async def test_stripped_starttls_is_noticed_where_trust_is_needed() -> None:
    async with Peer().serving() as peer:
        assert "451 4.7.4" in await refusal(peer, Tls.TRUSTED)
        assert "451 4.7.4" in await refusal(peer, Tls.MAY, fingerprint="00" * 32)
    assert set(peer.verbs) == {"EHLO"}


async def test_a_broken_handshake_is_survived_where_clear_text_may_be(
    certificate: Certificate,
) -> None:
    plan = Peer(tls=certificate.context, answers={"STARTTLS": ["454 4.7.0 not now"]})
    async with plan.serving() as peer:
        session = await closed(await client().connect(route(peer.port), Tls.MAY))
        assert session.tls == "none"
        plan.answers["STARTTLS"] = ["454 4.7.0 not now"]
        assert "4.7.5" in await refusal(peer, Tls.TRUSTED, ca=certificate.ca_file)


async def test_octets_injected_behind_starttls_are_dropped(
    certificate: Certificate,
) -> None:
    plan = Peer(
        tls=certificate.context,
        keywords=("SIZE 1000",),
        after_starttls=b"250-injected\r\n250-CHUNKING\r\n250 CHECKPOINT\r\n",
    )
    async with plan.serving() as peer:
        trusting = client(certificate.ca_file)
        session = await closed(await trusting.connect(route(peer.port), Tls.TRUSTED))
    assert set(session.ehlo.keywords) == {"SIZE"}


async def test_a_refused_connection_says_so() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    said = await refusal(Peer(port=port))
    assert said == f"451 4.4.1 connection to 127.0.0.1[127.0.0.1]:{port} refused"


async def test_a_silent_server_is_not_waited_for_for_ever() -> None:
    async with asyncio.timeout(10):
        async with Peer(greeting="").serving() as peer:
            said = await refusal(peer, idle=0.05)
    assert said.startswith("451 4.")


async def test_an_unwilling_greeting_is_the_reply() -> None:
    async with Peer(greeting="554 5.3.2 no service").serving() as peer:
        assert await refusal(peer) == "554 5.3.2 no service"
    async with Peer(greeting=None).serving() as peer:
        assert (await refusal(peer)).startswith("451 4.4.2 lost connection with")


async def test_the_next_address_is_tried() -> None:
    async with Peer().serving() as peer:
        good = route(peer.port)
        bad = replace(good.stops[0], port=1)
        session = await client().connect(
            replace(good, stops=(bad, *good.stops)), Tls.MAY
        )
        await closed(session)
    assert session.stop.port == peer.port


@pytest.mark.parametrize("down_first", [True, False])
async def test_one_server_that_takes_no_mail_decides_nothing(
    *, down_first: bool
) -> None:
    """The primary is down, its backup says 554: there is another day (§5.1)."""
    async with Peer(greeting="554 5.3.2 no service").serving() as peer:
        good = route(peer.port)
        down = replace(good.stops[0], port=1)
        stops = (down, *good.stops) if down_first else (*good.stops, down)
        with pytest.raises(ReplyError) as caught:
            await client().connect(replace(good, stops=stops), Tls.MAY)
    assert caught.value.reply.is_temporary
