# SPDX-License-Identifier: Apache-2.0
"""What tests of single attempts are given."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.unit.delivery.attempts import Rig
from tests.unit.delivery.peer import (
    Certificate,
    make_certificate,
)
from tests.unit.delivery.post import Clock, Post
from tests.unit.delivery.rig import (
    open_store,
)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("ca"), "b.example")


@pytest_asyncio.fixture
async def rig(tmp_path: Path, certificate: Certificate) -> AsyncIterator[Rig]:
    clock = Clock()
    with open_store(tmp_path / "store", clock) as store:
        post = await Post(store, clock).open_account()
        yield Rig(post, clock, certificate)


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, "maild.delivery")
    return caplog
