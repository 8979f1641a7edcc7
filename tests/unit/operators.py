# SPDX-License-Identifier: Apache-2.0
"""Operators who type, in one process with the test."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from maild.cli import main
from maild.operator.console import Records
from maild.store.house import Store


class Operator:
    """Types commands for one server."""

    def __init__(self, file: Path, capture: pytest.CaptureFixture[str]) -> None:
        self.file = file
        self._capture = capture
        self.complaint = ""

    def __call__(self, *words: str, status: int = os.EX_OK) -> str:
        """Run a verb and return its output; --config stands where it may."""
        self._capture.readouterr()
        found = main([words[0], "--config", str(self.file), *words[1:]])
        said = self._capture.readouterr()
        self.complaint = said.err
        assert found == status, said.err
        return said.out

    def json(self, *words: str) -> Any:
        return json.loads(self(*words, "--json"))

    def with_store(self, job: Callable[[Records], object]) -> None:
        store = Store(self.file.parent / "b" / "store")
        store.open()
        try:
            job(Records(store))
        finally:
            store.close()
