# SPDX-License-Identifier: GPL-3.0-only
"""Names of content, and of work in progress."""

from __future__ import annotations

import pytest

from terminal_client.folders.names import is_content


@pytest.mark.parametrize(
    "name", ["film.mov", "partial", "part", "tmp", "#1 hit.mp3", "a.tmp.mov", "~a", "é"]
)
def test_content(name: str) -> None:
    assert is_content(name)


@pytest.mark.parametrize(
    "name",
    [
        *(".hidden", ".git", "film.mov.part", "film.MOV.PART", "a.crdownload", "a.tmp"),
        *("a.txt~", ".a.txt.swp", "a.swp", "#a.txt#", ".#a.txt", "~$plan.docx"),
        *("film.mov.9f3c.part", "a.!qB", "Thumbs.db", "desktop.ini", ".~lock.a.odt#"),
    ],
)
def test_work_in_progress(name: str) -> None:
    assert not is_content(name)
