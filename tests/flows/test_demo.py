# SPDX-License-Identifier: Apache-2.0
"""``maild demo`` tells the whole story, ends well, and leaves nothing behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from tests.flows.programs import BIN, sha256


def told(folder: Path, *words: str) -> str:
    """Tell the story of a file of one's own; return what is on the screen."""
    file = folder / "a film 🎬.mov"
    file.write_bytes(os.urandom(3_000_000))
    scratch = folder / "scratch"
    scratch.mkdir()
    done = subprocess.run(
        [str(BIN / "maild"), "demo", *words, str(file)],
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
        env=os.environ | {"TMPDIR": str(scratch)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for who in ("alice  ", "bob    "):
        assert f"SHA-256 at {who}{sha256(file)}\n" in done.stdout
    assert list(scratch.iterdir()) == []
    assert [p for p in _running() if str(scratch) in p] == []
    return done.stdout


@pytest.mark.timeout(300)
def test_demo(tmp_path: Path) -> None:
    said = told(tmp_path)
    assert "status=sent" in said
    assert "via=direct" in said
    assert "rcs.example" not in said


@pytest.mark.timeout(300)
def test_demo_through_the_rendezvous(tmp_path: Path) -> None:
    """Two files: bob is asked for his address once."""
    other = tmp_path / "small.bin"
    other.write_bytes(os.urandom(1000))
    said = told(tmp_path, "--relay", str(other))
    (line,) = re.findall(r".*status=sent.* 3000000 octets .*", said)
    assert "to=<bob@b.example>" in line
    assert line.endswith("via=rcs.example")
    assert said.count("address request: from=<+14155550101@rcs.example>") == 1
    assert said.count("What server r holds of it now: 0 files, 0 octets.") == 2
    assert f"SHA-256 at bob    {sha256(other)}\n" in said


def interrupted(folder: Path, at: str, *words: str) -> tuple[int, list[str]]:
    """Press Ctrl-C when a line has ``at``; return its status, and what it said."""
    file = folder / "short.bin"
    file.write_bytes(os.urandom(100_000))
    scratch = folder / "scratch"
    scratch.mkdir()
    said = []
    with subprocess.Popen(
        [str(BIN / "maild"), "demo", *words, str(file)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"TMPDIR": str(scratch)},
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            said.append(line)
            if at in line:
                process.send_signal(signal.SIGINT)
        status = process.wait(60)
    assert list(scratch.iterdir()) == []
    assert [p for p in _running() if str(scratch) in p] == []
    return status, said


@pytest.mark.timeout(300)
@pytest.mark.parametrize("words", [(), ("--relay",)], ids=["plain", "relay"])
def test_it_stays_until_ctrl_c(tmp_path: Path, words: tuple[str, ...]) -> None:
    status, said = interrupted(tmp_path, "  Everything", "--stay", *words)
    assert status == 0, said
    shown = [line for line in said if line.startswith("  Rendezvous")]
    assert len(shown) == len(words)


@pytest.mark.timeout(300)
def test_ctrl_c_while_somebody_is_asked(tmp_path: Path) -> None:
    status, said = interrupted(tmp_path, "address request: from=", "--relay")
    assert status == 130, said


def _running() -> list[str]:
    """Return the command lines of all processes."""
    found: list[str] = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it has just ended
            found.append(
                path.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
            )
    return found
