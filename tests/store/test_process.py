# SPDX-License-Identifier: Apache-2.0
"""What becomes of the process around a store that nobody closes."""

from __future__ import annotations

from pathlib import Path

from tests.store.room import run_python

CRASH = """
import sys, threading
from pathlib import Path
from maild.store.house import Store
store = Store(Path(sys.argv[1]))
store.open()
writer = store.blobs.create()
writer.append(b"x" * 100_000)
writer.flush()
print("dying", flush=True)
raise RuntimeError("a bug")
"""
FAILED = """
import sys
from pathlib import Path
from maild.store.errors import StoreError
from maild.store.house import Store
root = Path(sys.argv[1])
(root / "incoming").write_text("in the way")
try:
    Store(root).open()
except (StoreError, OSError):
    print("refused", flush=True)
"""


def test_a_process_that_crashes_ends(tmp_path: Path) -> None:
    assert run_python(CRASH, str(tmp_path)) == "dying\n"  # and within its time


def test_a_store_that_cannot_be_opened_keeps_no_process_alive(tmp_path: Path) -> None:
    assert run_python(FAILED, str(tmp_path)) == "refused\n"
