# SPDX-License-Identifier: GPL-3.0-only
"""What can be edited; the rest is in `tests.flows.test_edit`."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from terminal_client import editing
from terminal_client.errors import ContentError, TryLaterError, UnavailableError
from tests.unit.terminal_client.test_workbench import ITEM, OLD


def test_what_still_arrives_is_refused_clearly() -> None:
    with pytest.raises(TryLaterError, match="still arriving; it can be edited when"):
        editing.must_be_whole(replace(ITEM, arriving=True, sha256=None))


def test_what_has_no_digest_is_refused() -> None:
    with pytest.raises(UnavailableError, match="no digest"):
        editing.must_be_whole(replace(ITEM, sha256=None))
    editing.must_be_whole(ITEM)


async def test_a_base_is_what_the_item_is(tmp_path: Path) -> None:
    base = tmp_path / "base"
    base.write_bytes(OLD)
    await editing.must_be_base(base, ITEM)
    other = replace(ITEM, sha256=hashlib.sha256(b"").hexdigest(), version=3)
    with pytest.raises(ContentError, match=r"version 3"):
        await editing.must_be_base(base, other)
