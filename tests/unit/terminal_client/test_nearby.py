# SPDX-License-Identifier: GPL-3.0-only
"""People nearby, over real multicast on loopback."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from contextlib import AsyncExitStack

import pytest
from zeroconf import Zeroconf
from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

from maild.mail.address import parse_address
from terminal_client import nearby
from terminal_client.contacts import Contact
from terminal_client.errors import UsageError

ALICE = Contact(parse_address("alice@a.example"), "Alice")
BOB = Contact(parse_address("bob@b.example"), "Bob", "+14155550102", "rcs.example")
LOOPBACK = ["127.0.0.1"]


async def look(own: Contact, most: int) -> list[Contact]:
    """Look around until so many people are seen."""
    found: list[Contact] = []
    enough = asyncio.Event()

    def told(contact: Contact) -> None:
        found.append(contact)
        if len(found) >= most:
            enough.set()

    search = nearby.Search(own, told)
    looking = asyncio.create_task(search.run(None, interfaces=LOOPBACK))
    try:
        async with asyncio.timeout(20):
            await enough.wait()
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
    return found


@pytest.fixture
async def _multicast() -> None:
    """Skip where a machine's loopback carries no multicast."""
    try:
        async with nearby.visible(BOB, interfaces=LOOPBACK):
            await look(ALICE, 1)
    except (OSError, TimeoutError) as error:
        pytest.skip(f"no multicast on loopback here: {error!r}")


@pytest.mark.usefixtures("_multicast")
async def test_who_is_visible_is_seen_once_without_a_number() -> None:
    async with AsyncExitStack() as stack:
        for who in (ALICE, BOB, BOB):  # twice: two terminals of one person
            await stack.enter_async_context(nearby.visible(who, interfaces=LOOPBACK))
        found = await look(Contact(parse_address("carol@c.example")), 2)
    assert sorted(c.name for c in found) == ["Alice", "Bob"]
    assert all(not c.number and not c.rendezvous for c in found)


@pytest.mark.usefixtures("_multicast")
async def test_what_is_not_as_it_should_be_is_passed_over() -> None:
    async with AsyncExitStack() as stack:
        network = AsyncZeroconf(interfaces=LOOPBACK)
        stack.push_async_callback(network.async_close)
        for number, uri in enumerate(
            [b"", b"\xff", b"maild:mallory", b"maild:a@b?name=%E2%80%AE", None]
        ):
            info = AsyncServiceInfo(
                nearby.SERVICE,
                f"bad-{number}.{nearby.SERVICE}",
                port=0,
                server=f"bad-{number}.local.",
                properties={nearby.URI: uri} if uri is not None else {},
                parsed_addresses=LOOPBACK,
            )
            await (await network.async_register_service(info))
        await stack.enter_async_context(nearby.visible(BOB, interfaces=LOOPBACK))
        found = await look(ALICE, 1)
    assert [str(c.address) for c in found] == ["bob@b.example"]


@pytest.mark.parametrize(
    "name",
    [
        f"\x1b]0;x\x07\x1b[2J.{nearby.SERVICE}",
        "x._MAILD._tcp.local.",
        f"{'x' * 70}.{nearby.SERVICE}",
        "",
    ],
)
async def test_a_name_that_the_library_refuses_is_dropped(name: str) -> None:
    search = nearby.Search(ALICE, lambda _: None)
    search._changed(None, nearby.SERVICE, name, None)  # type: ignore[arg-type] # not asked
    await asyncio.gather(*search._tasks)
    assert not search._failed.is_set()


@pytest.mark.usefixtures("_multicast")
async def test_what_nobody_foresaw_ends_the_search() -> None:
    def told(_: Contact) -> None:
        raise BrokenPipeError

    async with nearby.visible(BOB, interfaces=LOOPBACK):
        with pytest.raises(BrokenPipeError):
            await nearby.Search(ALICE, told).run(20, interfaces=LOOPBACK)


async def test_a_network_full_of_entries_is_looked_at_in_part(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked: list[str] = []

    async def note(_: nearby.Search, __: Zeroconf, name: str) -> None:
        looked.append(name)

    monkeypatch.setattr(nearby.Search, "_look", note)
    search = nearby.Search(ALICE, lambda _: None)
    for number in range(5000):
        name = f"{number}.{nearby.SERVICE}"
        search._changed(None, nearby.SERVICE, name, None)  # type: ignore[arg-type] # not asked
    await asyncio.gather(*search._tasks)
    assert len(looked) == nearby.MOST


@pytest.mark.parametrize(
    ("properties", "who"),
    [
        ({}, None),
        ({b"uri": None}, None),
        ({b"uri": b"\xff"}, None),
        ({b"uri": b"maild:bob@b.example?name=Bob"}, "bob@b.example"),
        ({b"uri": b"mailto:bob@b.example"}, None),
    ],
)
def test_what_an_entry_says(
    properties: dict[bytes, bytes | None], who: str | None
) -> None:
    found = nearby.said(properties)
    assert (None if found is None else str(found.address)) == who


def test_what_is_too_long_is_not_announced() -> None:
    with pytest.raises(UsageError, match="too long"):
        nearby._entry(Contact(ALICE.address, "Ö" * 90))


def test_the_library_is_loaded_for_this_only() -> None:
    script = (
        "import sys, terminal_client.cli as c\n"
        "assert not {'zeroconf', 'segno'} & set(sys.modules), 'loaded for nothing'\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
