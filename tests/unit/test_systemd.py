# SPDX-License-Identifier: Apache-2.0
"""The unit is hardened, and systemd finds nothing to complain of."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from terminal_client.folders import unit

WATCH = Path(__file__).parents[2] / "systemd" / "mshare-watch.service"
UNIT = Path(__file__).parents[2] / "systemd" / "maild.service"
MOST_EXPOSED = 1.5
"""Points of ``systemd-analyze security``, of 10."""

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed"
)


def analyze(
    *words: str, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", *words],
        env=os.environ | (environment or {}),
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


def test_what_a_new_start_cannot_mend_is_not_started_again() -> None:
    (line,) = [ln for ln in UNIT.read_text().splitlines() if "RestartPrevent" in ln]
    permanent = {os.EX_USAGE, os.EX_DATAERR, os.EX_NOPERM, os.EX_CONFIG}
    assert {int(each) for each in line.partition("=")[2].split()} == permanent


def test_the_unit_of_a_user_is_the_one_that_is_installed() -> None:
    assert WATCH.read_text() == unit.text("/usr/bin/mshare")


@needs_systemd
def test_verify_says_nothing_of_the_unit_of_a_user(tmp_path: Path) -> None:
    program = f"{sys.executable} -m terminal_client --profile '{tmp_path}/a b'"
    copy = tmp_path / WATCH.name
    copy.write_text(unit.text(program))
    home = {"XDG_RUNTIME_DIR": str(tmp_path)}
    done = analyze("verify", "--user", str(copy), environment=home)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
