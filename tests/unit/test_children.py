# SPDX-License-Identifier: Apache-2.0
"""Child processes end, also when they never begin well."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from maild import children


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    broken = tmp_path / "broken.toml"
    broken.write_text("[smpt]\n")
    heard: list[str] = []
    with (
        pytest.raises(children.ChildError, match=r"\[smpt\] no such table"),
        children.running([broken], heard.append),
    ):
        pass
    assert len(heard) == 1


def test_a_terminal_that_fails_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(children.ChildError, match="mshare ls ended with status"):
        children.terminal_output(tmp_path / "nobody", "ls", "--json")


def test_the_terminal_is_the_one_installed_beside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    assert children.terminal_program()[1:] == ["-m", "terminal_client"]
    (tmp_path / "mshare").touch()
    assert children.terminal_program() == [os.fspath(tmp_path / "mshare")]
