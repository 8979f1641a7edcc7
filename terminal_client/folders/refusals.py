# SPDX-License-Identifier: GPL-3.0-only
"""Files that will not be uploaded as they are: said once, tried again when changed."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

from terminal_client.matching import Shape
from terminal_client.reading import shape_of

MOST = 10_000
"""Files that are remembered; the oldest are tried again."""


class Refusals:
    """Of one watch."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._shapes: OrderedDict[Path, Shape | None] = OrderedDict()

    def knows(self, path: Path, shape: Shape | None) -> bool:
        """Whether this file was refused as it is."""
        return path in self._shapes and self._shapes[path] == shape

    def add(self, path: Path, shape: Shape | None) -> None:
        """Remember one."""
        self._shapes[path] = shape
        self._shapes.move_to_end(path)
        if len(self._shapes) > self._most:
            self._shapes.popitem(last=False)


def shape_now(path: Path) -> Shape | None:
    """Return the shape of what is there, a symbolic link itself; None: nothing is."""
    try:
        return shape_of(path.lstat())
    except OSError:
        return None
