# SPDX-License-Identifier: Apache-2.0
"""A store that is made where nothing was."""

from __future__ import annotations

from pathlib import Path

import pytest

from maild.store import blob_disk, house
from maild.store.house import Store


def test_the_name_of_a_new_store_is_durable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its parent is synced, and the parent of each directory made above it."""
    synced: list[Path] = []
    sync = blob_disk.sync_directory

    def watch(path: Path) -> None:
        synced.append(path)
        sync(path)

    monkeypatch.setattr(house, "sync_directory", watch)
    for _ in range(2):
        store = Store(tmp_path / "srv" / "mail" / "store")
        store.open()
        store.close()
    assert synced == [tmp_path, tmp_path / "srv", tmp_path / "srv" / "mail"]
    assert (tmp_path / "srv" / "mail" / "store").stat().st_mode & 0o777 == 0o700
