# SPDX-License-Identifier: Apache-2.0
"""However many threads read the index, few connections are open."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from maild.store.changes import Changes
from maild.store.index import Index, Tx
from maild.store.index_readers import AT_ONCE

pytestmark = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="no /proc")

THREADS = 60


def opened(path: Path) -> int:
    """Descriptors of this process that show ``path``."""
    shown = 0
    for link in Path("/proc/self/fd").iterdir():
        try:
            shown += link.readlink() == path
        except OSError:
            continue
    return shown


def test_many_threads_share_few_connections(tmp_path: Path) -> None:
    path = tmp_path.resolve() / "index.sqlite"
    index = Index(path, Changes())
    index.open()
    together = Barrier(THREADS)

    def read(number: int) -> object:
        together.wait()
        return index.read_here(lambda tx: tx.value("SELECT ?1", number))

    with ThreadPoolExecutor(THREADS) as threads:
        found = list(threads.map(read, range(THREADS)))
    assert found == list(range(THREADS))
    assert opened(path) <= AT_ONCE + 1  # the writer has one
    index.close()
    assert opened(path) == 0


def test_what_is_lent_is_closed_when_it_comes_back(tmp_path: Path) -> None:
    path = tmp_path.resolve() / "index.sqlite"
    index = Index(path, Changes())
    index.open()

    def job(tx: Tx) -> object:
        index.close()
        return tx.value("SELECT 1")

    assert index.read_here(job) == 1
    assert opened(path) == 0
