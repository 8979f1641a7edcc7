# SPDX-License-Identifier: GPL-3.0-only
"""What several tests of folders need."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.terminal_client.folders.systemctl import Systemctl


@pytest.fixture
def systemctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Systemctl:
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return Systemctl(tmp_path / "bin")
