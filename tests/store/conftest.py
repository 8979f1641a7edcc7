# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the store's tests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from maild.mail.address import Address
from maild.store import accounts, address_requests, numbers
from maild.store.accounts import Account
from maild.store.address_requests import Asked
from maild.store.address_verdict import Bounds
from maild.store.transfers import Transfer
from tests.store.askers import BOUNDS, HOMES, ONE, TWO, Ask, request_of, say
from tests.store.room import ALICE, KEYS, START, Room


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    """Yield an open store."""
    room = Room(tmp_path / "store")
    yield room
    room.close()


@pytest.fixture
def alice(room: Room) -> int:
    """Return the id of an account."""
    return room.account(ALICE)


@pytest.fixture
def share(room: Room, alice: int) -> Transfer:
    """Return a queued share of alice's for bob."""
    return room.share(alice, room.upload(alice, "film.mov", bytes(100)))


@pytest.fixture
def people(room: Room) -> dict[Address, Account]:
    """Three numbers whose homes are known."""
    found: dict[Address, Account] = {}
    for number, home in HOMES.items():
        id_ = room.write(accounts.create, number, KEYS, START, is_number=True)
        say(room, id_, numbers.HOME, str(home))
        found[number] = room.read(accounts.get, id_)
    return found


@pytest.fixture
def ask(room: Room, people: dict[Address, Account]) -> Ask:
    """Return what lets one number ask another."""

    def asked(
        sender: Address = ONE,
        to: Address = TWO,
        name: str = "request-1",
        bounds: Bounds = BOUNDS,
        **more: str | int,
    ) -> Asked:
        request = replace(request_of(sender, to, name), **more)  # type: ignore[arg-type] # members of it
        return room.write(
            address_requests.ask, people[sender], request, bounds, room.now
        )

    return asked
