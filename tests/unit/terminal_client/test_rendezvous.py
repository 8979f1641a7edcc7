# SPDX-License-Identifier: GPL-3.0-only
"""What a terminal does at its rendezvous, against a server with a script."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest

from maild.mail.address import parse_address
from maild.mail.address_request import AddressRequest
from terminal_client import errors
from terminal_client.contacts import Contact
from terminal_client.rendezvous import Rendezvous
from terminal_client.requests import Asking
from tests.unit.terminal_client.fakes import PASSWORD, Servers, Talk, refuse, servers

OTHER = parse_address("+14155550102@rcs.example")
BOB = parse_address("bob@b.example")
ENTRY = "/private/vendor/maild/exchange/+14155550102"
STRUCTURE = '("application" "vnd.maild+json" NIL NIL NIL "7bit" 100 NIL NIL NIL NIL)'


def at(made: Servers, folder: Path) -> Rendezvous:
    who = replace(made.profile, directory=folder)
    return Rendezvous(who, made.profile, PASSWORD)


async def told(talk: Talk, *lines: str) -> None:
    tag = await talk.command('GETMETADATA (DEPTH 0) "" "' + ENTRY)
    await talk.say(*lines, f"{tag} OK that is all")


async def responses(talk: Talk, *facts: dict[str, object]) -> None:
    """Answer a look for responses with some."""
    line = await talk.hear()
    tag, _, command = line.partition(" ")
    if "SELECT" in command or "NOOP" in command:
        await talk.say(f"{tag} OK [UIDVALIDITY 1] done")
        tag = await talk.command("UID SEARCH KEYWORD $AddressResponse")
    uids = " ".join(str(uid) for uid in range(1, len(facts) + 1))
    await talk.say(f"* SEARCH {uids}".rstrip(), f"{tag} OK done")
    if not facts:
        return
    tag = await talk.command("UID FETCH")
    for uid in range(1, len(facts) + 1):
        await talk.say(f"* {uid} FETCH (UID {uid} BODYSTRUCTURE {STRUCTURE})")
    await talk.say(f"{tag} OK done")
    tag = await talk.command("UID FETCH")
    for uid, said in enumerate(facts, 1):
        text = json.dumps({"maild": 1, "kind": "address-response", **said})
        await talk.say(
            f"* {uid} FETCH (UID {uid} BINARY[1] {{{len(text)}}}", f"{text})"
        )
    await talk.say(f"{tag} OK done")


async def test_who_has_told_before_is_not_asked(tmp_path: Path) -> None:
    async def imap(talk: Talk) -> None:
        await talk.imap_login()
        await told(talk, f'* METADATA "" ({ENTRY} "bob@b.example")')

    async with servers(tmp_path, imap=imap) as made:
        rendezvous = at(made, tmp_path)
        found = await rendezvous.contact(OTHER)
        assert (found.address, found.number) == (BOB, "+14155550102")
        # From now on without any connection: the script has ended.
        assert await rendezvous.contact(OTHER) == found
        await rendezvous.close()


async def test_what_only_claims_to_be_the_response_is_ignored(tmp_path: Path) -> None:
    said: list[str] = []
    rendezvous: list[Rendezvous] = []

    async def imap(talk: Talk) -> None:
        await talk.imap_login()
        await told(talk)
        request = rendezvous[0]._asked.request(
            rendezvous[0].number, OTHER, int(time.time())
        )
        right: dict[str, object] = {
            "request": request.id,
            "nonce": request.nonce,
            "sender": str(request.sender),
            "recipient": str(OTHER),
            "accepted": True,
            "home": "bob@b.example",
            "trace": request.trace,
        }
        await responses(
            talk,
            {**right, "nonce": "0" * 32, "home": "mallory@b.example"},
            {**right, "recipient": "+14155550103@rcs.example", "home": "m@b.example"},
            {**right, "home": "m@[192.0.2.1]"},
            {**right, "home": "no address"},
            {**right, "request": "another-one", "home": "m@b.example"},
            right,
        )

    async with servers(tmp_path, imap=imap, smtp=refuse) as made:
        rendezvous.append(at(made, tmp_path))
        found = await rendezvous[0].contact(OTHER, tell=said.append)
        assert found.address == BOB
        assert said == ["ignored: 4 responses that are not what they claim"]
        await rendezvous[0].close()


@pytest.mark.parametrize(
    ("reply", "kind", "why"),
    [
        ("550 5.1.1 no such user here", errors.ContentError, "is no number at"),
        ("450 4.7.1 too many address requests", errors.TryLaterError, "try again"),
        ("550 5.1.8 this number has no", errors.ContentError, "this number has no"),
    ],
)
async def test_what_the_rendezvous_refuses_is_said(
    tmp_path: Path, reply: str, kind: type[errors.TerminalError], why: str
) -> None:
    async def imap(talk: Talk) -> None:
        await talk.imap_login()
        await told(talk)
        await responses(talk)

    async def smtp(talk: Talk) -> None:
        await talk.smtp_login("CHUNKING", "PIPELINING")
        await talk.hear("MAIL FROM:<alice@a.example>")
        await talk.hear("RCPT TO:<+14155550102@rcs.example>")
        bdat = await talk.hear("BDAT ")
        await talk.reader.readexactly(int(bdat.split()[1]))
        await talk.say("250 2.1.0 ok", "250 2.1.5 ok", reply)
        await talk.hear("RSET")
        await talk.say("250 2.0.0 ok")

    async with servers(tmp_path, imap=imap, smtp=smtp) as made:
        rendezvous = at(made, tmp_path)
        with pytest.raises(kind, match=why):
            await rendezvous.contact(OTHER)
        await rendezvous.close()


async def test_one_does_not_ask_oneself(tmp_path: Path) -> None:
    async with servers(tmp_path) as made:
        rendezvous = at(made, tmp_path)
        with pytest.raises(errors.UsageError, match="your own number"):
            await rendezvous.contact(rendezvous.number)
        rendezvous.contacts.put(
            Contact(BOB, number="+14155550102", rendezvous="a.example")
        )
        number = parse_address("+14155550102@a.example")
        assert (await rendezvous.contact(number)).address == BOB


async def test_who_was_told_nothing_is_not_remembered(tmp_path: Path) -> None:
    """Decided too late: the other one knows nothing, and is no contact."""

    async def imap(talk: Talk) -> None:
        await talk.imap_login()
        await talk.say(f"{await talk.command('SELECT')} OK [UIDVALIDITY 1] done")
        await talk.say(f"{await talk.command('UID MOVE 7')} NO [CANNOT] it has expired")

    asked = AddressRequest("request-1", "0" * 32, OTHER, OTHER, BOB, 1, 2, "t" * 8)
    async with servers(tmp_path, imap=imap) as made:
        rendezvous = at(made, tmp_path)
        with pytest.raises(errors.UnavailableError, match="it has expired"):
            await rendezvous.decide([Asking(1, 7, asked)], accepted=True)
        assert rendezvous.contacts.by_number(OTHER.local) is None
        await rendezvous.close()
