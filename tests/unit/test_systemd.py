# SPDX-License-Identifier: Apache-2.0
"""The unit is hardened, and systemd finds nothing to complain of."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

UNIT = Path(__file__).parents[2] / "systemd" / "maild.service"
MOST_EXPOSED = 1.5
"""Points of ``systemd-analyze security``, of 10."""

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed"
)


def analyze(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@needs_systemd
def test_exposure() -> None:
    done = analyze("security", "--offline=true", "--no-pager", str(UNIT))
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)
    assert found is not None, done.stderr
    assert float(found[1]) <= MOST_EXPOSED, done.stdout


@needs_systemd
def test_verify_says_nothing(tmp_path: Path) -> None:
    text = UNIT.read_text()
    assert "ExecStart=/usr/bin/maild serve" in text
    program = f"ExecStart={sys.executable} -m maild serve"
    copy = tmp_path / UNIT.name
    copy.write_text(text.replace("ExecStart=/usr/bin/maild serve", program))
    done = analyze("verify", str(copy))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_only_one_capability() -> None:
    lines = UNIT.read_text().splitlines()
    given = [line for line in lines if "Capabilit" in line]
    assert {line.partition("=")[2] for line in given} == {"CAP_NET_BIND_SERVICE"}
