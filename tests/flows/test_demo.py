# SPDX-License-Identifier: Apache-2.0
"""``maild demo`` tells the whole story, ends well, and leaves nothing behind."""

from __future__ import annotations

import os
import subprocess
from contextlib import suppress
from pathlib import Path

from tests.flows.programs import BIN, sha256


def test_demo(tmp_path: Path) -> None:
    file = tmp_path / "a film 🎬.mov"
    file.write_bytes(os.urandom(3_000_000))
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    done = subprocess.run(
        [str(BIN / "maild"), "demo", str(file)],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
        env=os.environ | {"TMPDIR": str(scratch)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for who in ("alice  ", "bob    "):
        assert f"SHA-256 at {who}{sha256(file)}\n" in done.stdout
    assert "status=sent" in done.stdout
    assert list(scratch.iterdir()) == []
    assert [p for p in _running() if str(scratch) in p] == []


def _running() -> list[str]:
    """Return the command lines of all processes."""
    found: list[str] = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it has just ended
            found.append(
                path.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
            )
    return found
