# SPDX-License-Identifier: Apache-2.0
"""A station that can be stopped hard, for the tests of restarts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.unit.smtpd.live import live
from tests.unit.smtpd.test_restart import House


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    root = tmp_path / "before"
    root.mkdir()
    stack = AsyncExitStack()
    house = House(root, await stack.enter_async_context(live(root)), stack)
    yield house
    await house.stack.aclose()
