# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the store's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.store.room import Room


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    """Yield an open store."""
    room = Room(tmp_path / "store")
    yield room
    room.close()
