# SPDX-License-Identifier: GPL-3.0-only
"""The command as a process: what a shell may do to its streams."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

EXPLAIN = [sys.executable, "-m", "terminal_client", "explain", "4.4.1"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux has it")  # noqa: PTH110 # at import
def test_a_full_disk_is_no_bug() -> None:
    with open("/dev/full", "w") as full:  # noqa: PTH123 # a device
        ended = subprocess.run(
            EXPLAIN, stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert ended.returncode == os.EX_IOERR
    assert ended.stderr == b"mshare: input or output failed: no space left on device\n"


@pytest.mark.parametrize("closed", ["0<&-", "1>&-", "2>&-", "0<&- 1>&- 2>&-"])
def test_closed_streams_are_no_bug(closed: str) -> None:
    script = f'exec "$@" {closed}'
    ended = subprocess.run(
        ["sh", "-c", script, "sh", *EXPLAIN], capture_output=True, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert ended.stdout.startswith(b"" if "1>" in closed else b"4.4.1")


LIBRARY = """
import asyncio, logging
from terminal_client.cli import main

async def forget():
    async def fail():
        raise ValueError("x\\x1b]0;evil\\x07\\x1b[2J\\nmshare: all is well")
    asyncio.ensure_future(fail())
    await asyncio.sleep(0)

main(["explain", "5.7.1"])
asyncio.run(forget())
logging.getLogger("library").warning("from %s", "\\x1b[31mmallory\\u202e")
"""


@pytest.mark.parametrize(
    ("debug", "traced"), [("", False), ("1", True)], ids=["usual", "debugging"]
)
def test_what_libraries_log_reaches_the_terminal_clean(
    debug: str, traced: bool
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIBRARY],
        check=True,
        timeout=60,
        capture_output=True,
        env={**os.environ, "MSHARE_DEBUG": debug},
        text=True,
    )
    told = done.stderr.splitlines()
    assert not {"\x1b", "\x07", "\u202e"} & set(done.stderr)
    assert ("Traceback" in done.stderr) is traced
    assert traced or all(line.startswith("mshare: ") for line in told)
    assert "mallory" in told[-1]
    assert any("never retrieved" in line for line in told)


@pytest.mark.parametrize("words", [EXPLAIN, [*EXPLAIN[:3], "ls", "--help"]])
def test_it_ends_quietly_when_nobody_reads(words: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    ended = subprocess.run(words, stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)
    assert (ended.returncode, ended.stderr) == (os.EX_IOERR, b"")
