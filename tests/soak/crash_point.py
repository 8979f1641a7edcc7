# SPDX-License-Identifier: Apache-2.0
"""Kills a server at its k-th durable call, lets calls fail, sets its clock wrong.

A preloaded library does it.  Calls are counted in the whole process, in the order in
which they happen, and only while a plan is armed.
"""

from __future__ import annotations

import mmap
import shutil
import struct
import subprocess
from enum import IntFlag
from pathlib import Path

SOURCE = Path(__file__).with_name("crash_point.c")
_FIELDS = ("classes", "first", "last", "error", "count", "fired", "shift")
_EVER = 2**62


class Calls(IntFlag):
    """Which calls count."""

    SYNC = 1
    RENAME = 2
    UNLINK = 4
    WRITE = 8
    DURABLE = SYNC | RENAME | UNLINK
    ALL = DURABLE | WRITE


def compiler() -> str | None:
    """Return the C compiler of this machine, if there is one."""
    return shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")


class CrashPoint:
    """One plan, shared with the programs that are started with `environment`."""

    def __init__(self, folder: Path) -> None:
        self._library = folder / "crash_point.so"
        self._plan = folder / "crash_point.plan"
        found = compiler()
        assert found is not None, "crash points need a C compiler"
        subprocess.run(
            [found, "-O2", "-shared", "-fPIC", "-o", self._library, SOURCE, "-ldl"],
            check=True,
            timeout=60,
        )
        self._plan.write_bytes(bytes(8 * len(_FIELDS)))
        with self._plan.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), 8 * len(_FIELDS))

    @property
    def environment(self) -> dict[str, str]:
        """What a program has to be started with."""
        return {
            "LD_PRELOAD": str(self._library),
            "CRASH_POINT_PLAN": str(self._plan),
        }

    def kill_at(self, number: int, calls: Calls = Calls.DURABLE) -> None:
        """Kill the process in place of its call ``number``, counted from 1 and now."""
        self._arm(calls, number, number, 0)

    def fail(
        self, error: int, calls: Calls, first: int = 1, last: int | None = None
    ) -> None:
        """Let the calls from ``first`` to ``last`` (None: all) fail with an errno."""
        self._arm(calls, first, _EVER if last is None else last, error)

    def count_only(self, calls: Calls = Calls.DURABLE) -> None:
        """Let everything go well and count."""
        self._arm(calls, 0, 0, 0)

    def disarm(self) -> None:
        """Let everything go well from now on; the counters keep their values."""
        self._put("classes", 0)

    def shift_clock(self, seconds: int) -> None:
        """Let the wall clock be wrong by so much from now on; timers are not."""
        self._put("shift", seconds)

    @property
    def count(self) -> int:
        """Calls since the plan was armed."""
        return self._get("count")

    @property
    def fired(self) -> int:
        """How often a call has failed, or the process been killed."""
        return self._get("fired")

    def _arm(self, calls: Calls, first: int, last: int, error: int) -> None:
        self._put("classes", 0)
        for name, value in (
            ("first", first),
            ("last", last),
            ("error", error),
            ("count", 0),
            ("fired", 0),
        ):
            self._put(name, value)
        self._put("classes", int(calls))

    def _put(self, name: str, value: int) -> None:
        struct.pack_into("q", self._memory, 8 * _FIELDS.index(name), value)

    def _get(self, name: str) -> int:
        (value,) = struct.unpack_from("q", self._memory, 8 * _FIELDS.index(name))
        return int(value)
