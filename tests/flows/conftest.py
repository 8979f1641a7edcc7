# SPDX-License-Identifier: Apache-2.0
"""Every test here is a flow; most of a file share one playground."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.flows.programs import Programs, playground


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what lies in this folder."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.flow)


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Programs]:
    """Two servers and their accounts, alive for one file.

    What one leaves behind (an open offer, an upload cut short) meets no other file's.
    """
    with playground(tmp_path_factory.mktemp("flow") / "playground") as made:
        yield made
