# SPDX-License-Identifier: Apache-2.0
"""What tests of operators' verbs are given."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from maild import playground
from tests.unit.operators import Operator


@pytest.fixture
def maild(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Operator:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    made = playground.make(tmp_path / "new", 24000)
    return Operator(made.folder / "b.toml", capsys)
