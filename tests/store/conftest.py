# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the store's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from maild.store.transfers import Transfer
from tests.store.room import ALICE, Room


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
