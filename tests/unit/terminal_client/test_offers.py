# SPDX-License-Identifier: GPL-3.0-only
"""Offers and requests whose time is over: not shown as open, and said when named."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from maild.mail.address import parse_address
from maild.mail.address_request import AddressRequest
from maild.mail.offer import Offer
from terminal_client import errors, offers, requests
from terminal_client.requests import Asking
from terminal_client.session_imap import MailboxConnection
from terminal_client.tls import client_context
from tests.unit.terminal_client.fakes import PASSWORD, Script, Talk, servers

ONE, TWO = (parse_address(f"+1415555010{n}@rcs.example") for n in (1, 2))
OPEN = Offer(
    id="offer-open",
    nonce="0" * 32,
    sender=parse_address("bob@b.example"),
    recipient=parse_address("alice@a.example"),
    name="film.mov",
    type="video/quicktime",
    size=5,
    sha256=None,
    created=1,
    expires=2**34,
    home="b.example",
    trace="0011223344556677",
)
LATE = replace(OPEN, id="offer-late", expires=2)
ASKED = AddressRequest(
    id="request-1",
    nonce="ab" * 16,
    sender=TWO,
    recipient=ONE,
    home=parse_address("bob@b.example"),
    created=1,
    expires=2,
    trace="0011223344556677",
)
IT_HAS_EXPIRED = "[CANNOT] it has expired; its sender can send it again"


@asynccontextmanager
async def connected(folder: Path, script: Script) -> AsyncIterator[MailboxConnection]:
    async with servers(folder, imap=script) as made:
        connection = MailboxConnection(made.profile, client_context(made.profile))
        await connection.open(PASSWORD)
        yield connection
        connection.abort()


async def look(talk: Talk, keyword: str, *there: Offer | AddressRequest) -> None:
    """Let the client find what lies in INBOX under a keyword."""
    begun = await talk.command()
    if "SEARCH" not in talk.heard[-1]:  # SELECT, or NOOP when it is selected
        await talk.say(f"{begun} OK")
        begun = await talk.command()
    assert f"UID SEARCH KEYWORD {keyword} UNDELETED" in talk.heard[-1]
    uids = range(1, len(there) + 1)
    await talk.say(f"* SEARCH {' '.join(map(str, uids))}", f"{begun} OK")
    if not there:
        return
    begun = await talk.command("UID FETCH")
    leaf = '("APPLICATION" "VND.MAILD+JSON" NIL NIL NIL "7BIT" 10)'
    for uid in uids:
        await talk.say(f"* {uid} FETCH (UID {uid} BODYSTRUCTURE {leaf})")
    await talk.say(f"{begun} OK")
    begun = await talk.command("UID FETCH")
    for uid, one in zip(uids, there, strict=True):
        facts = one.to_json()
        await talk.say(f"* {uid} FETCH (UID {uid} BINARY[1] {{{len(facts)}}}")
        await talk.say(f"{facts})")
    await talk.say(f"{begun} OK")


async def test_what_is_over_is_not_listed(tmp_path: Path) -> None:
    async def script(talk: Talk) -> None:
        await talk.imap_login()
        await look(talk, "$Offer", LATE, OPEN)

    async with connected(tmp_path, script) as imap:
        (waiting,) = await offers.waiting(imap)
    assert (waiting.id, waiting.place, waiting.uid) == (OPEN.id, 1, 2)


@pytest.mark.parametrize("has_looked", [True, False])
async def test_who_names_an_offer_too_late_is_told(
    tmp_path: Path, has_looked: bool
) -> None:
    """``has_looked``: the server has, and has given it another keyword."""

    async def script(talk: Talk) -> None:
        await talk.imap_login()
        for _ in range(2):
            marked, unmarked = ([LATE], []) if has_looked else ([], [LATE])
            await look(talk, "$Offer", *unmarked)
            await look(talk, "$Expired", *marked)
            await look(talk, "$Offer", *unmarked)

    async with connected(tmp_path, script) as imap:
        with pytest.raises(errors.UnavailableError) as raised:
            await offers.decide_named(imap, "offer-late", accepted=True)
        with pytest.raises(errors.NoInputError):
            await offers.decide_named(imap, "offer-other", accepted=True)
    assert raised.value.status == os.EX_UNAVAILABLE
    assert str(raised.value) == (
        "the offer of film.mov has expired; bob@b.example can send it again"
    )


@pytest.mark.parametrize(("accepted", "verb"), [(True, "accept"), (False, "decline")])
async def test_a_decision_that_is_refused_is_none(
    tmp_path: Path, accepted: bool, verb: str
) -> None:
    async def script(talk: Talk) -> None:
        await talk.imap_login()
        await talk.say(f"{await talk.command('SELECT')} OK")
        for _ in range(2):
            await talk.say(f"{await talk.command('UID MOVE 7')} NO {IT_HAS_EXPIRED}")

    async with connected(tmp_path, script) as imap:
        with pytest.raises(errors.UnavailableError) as raised:
            await offers.decide(imap, offers.Waiting(1, 7, OPEN), accepted=accepted)
        assert str(raised.value) == (
            f"could not {verb} the offer of film.mov: "
            "it has expired; its sender can send it again"
        )
        with pytest.raises(errors.UnavailableError, match=r"request of \+14155550102:"):
            await requests.decide(imap, Asking(1, 7, ASKED), accepted=accepted)


@pytest.mark.parametrize("name", ["request-1", "+14155550102"])
async def test_who_names_a_request_too_late_is_told(tmp_path: Path, name: str) -> None:
    async def script(talk: Talk) -> None:
        await talk.imap_login()
        await look(talk, "$Expired", ASKED)

    async with connected(tmp_path, script) as imap:
        with pytest.raises(errors.UnavailableError, match="has expired"):
            await requests.find(imap, ONE, [], name)


async def test_a_request_that_waits_for_longer_is_shown(tmp_path: Path) -> None:
    """Its message says a time, but asked again meanwhile it is open beyond that."""

    async def script(talk: Talk) -> None:
        await talk.imap_login()
        await look(talk, "$AddressRequest", ASKED)

    async with connected(tmp_path, script) as imap:
        (asking,) = await requests.waiting(imap, ONE)
        assert await requests.find(imap, ONE, [asking], TWO.local) == asking
