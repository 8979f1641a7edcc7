# SPDX-License-Identifier: Apache-2.0
r"""Plays ``*.imap`` transcripts against a live station.

    # comment
    @ offer | item            bob offers alice a file; alice has uploaded one
    @ late offer              one whose time is over
    @ request                 the second number asks the first one for its address
    @ quota 2000              alice may hold 2,000 octets
    @ clear | tls | alice     who connects: without TLS, with it, logged in as alice
    @ number                  or as the first number of a rendezvous
    @ other NOOP              another connection of alice's gives a command
    C: a NOOP                 a line we send
    C+ 5 hello                5 octets we send as they are (\r \n \0 escapes)
    C* 70000 x                an octet, many times
    TLS                       we begin TLS
    S: a OK *                 a line the server must answer; * is a wildcard
    S. a OK                   any number of lines up to one that begins with "a OK"
    S$                        the server must close the connection

A transcript says everything that crosses the wire, in order: at the end nothing may be
left unread.
"""

from __future__ import annotations

import re
import ssl

from maild.store import quota
from tests.unit.imapd.belongings import an_address_request, an_item, an_offer
from tests.unit.imapd.live import NUMBERS, PASSWORD, Client, Live

_OFFERS = {"@ offer": 86400, "@ late offer": 0}
"""Seconds for which each is open."""
_ESCAPES = {"\\r": "\r", "\\n": "\n", "\\0": "\0"}


async def play(name: str, script: str, station: Live) -> None:
    """Play one transcript; ``name`` is for complaints."""
    client: Client | None = None
    closed = False
    for number, text in enumerate(script.splitlines(), 1):
        where = f"{name}:{number}"
        if not text or text.startswith("#"):
            continue
        if text in _OFFERS:
            await an_offer(station, lifetime=_OFFERS[text])
            continue
        if text == "@ request":
            await an_address_request(station)
            continue
        if text == "@ item":
            await an_item(station)
            continue
        if text.startswith("@ quota "):
            octets = int(text.removeprefix("@ quota "))
            await station.store.index.write(quota.set_quota, station.alice, octets)
            continue
        if text.startswith("@ other "):
            await (await station.alice_in()).ok(text.removeprefix("@ other "))
            continue
        if text.startswith("@ "):
            client = await _connect(text[2:], station)
            continue
        assert client is not None, where
        closed = text == "S$"
        await _step(text, client, station, where)
    assert client is not None
    if not closed:
        lines = await client.command("LOGOUT")
        assert [line[:5] for line in lines[:-1]] == [b"* BYE"], f"unread: {lines}"


async def _connect(how: str, station: Live) -> Client:
    match how:
        case "clear":
            return await station.clear_client()
        case "tls":
            return await station.client()
        case "number":
            client = await station.client()
            await client.ok(f"LOGIN {NUMBERS[0]} {PASSWORD!r}".replace("'", '"'))
            return client
        case _:
            return await station.alice_in()


async def _step(text: str, client: Client, station: Live, where: str) -> None:
    verb, rest = text[:2], text[3:]
    match verb:
        case "C:":
            client.send(rest.encode() + b"\r\n")
        case "C+":
            client.send(_octets(rest, where))
        case "C*":
            count, octet = rest.split(" ", 1)
            client.send(octet.encode() * int(count))
        case "TL":
            await _start_tls(client, station.tls)
        case "S:":
            line = (await client.line()).decode()
            pattern = ".*".join(map(re.escape, rest.split("*")))
            # an answer itself begins with "*": the first one stands for itself
            if rest.startswith("*"):
                pattern = re.escape("*") + pattern.removeprefix(".*")
            assert re.fullmatch(pattern, line), f"{where}: {line}"
        case "S.":
            await client.until(rest.encode())
        case "S$":
            assert await client.reader.read() == b"", where
        case _:
            raise AssertionError(f"{where}: not a step")


def _octets(rest: str, where: str) -> bytes:
    count, _, text = rest.partition(" ")
    for escape, octet in _ESCAPES.items():
        text = text.replace(escape, octet)
    octets = text.encode()
    assert len(octets) == int(count), f"{where}: {len(octets)} octets"
    return octets


async def _start_tls(client: Client, context: ssl.SSLContext) -> None:
    await client.writer.start_tls(context, server_hostname="a.example")
