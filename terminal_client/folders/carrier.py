# SPDX-License-Identifier: GPL-3.0-only
"""Bringing one file of a watched folder to the server, with what Table 1 knows."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from terminal_client import errors, reading
from terminal_client.attempts import Progress
from terminal_client.connections import Connections
from terminal_client.folders.walk import Found
from terminal_client.library import Item
from terminal_client.matching import Remembered, Shape
from terminal_client.memory import Memory
from terminal_client.uploading import Uploads


class Carrier:
    """Of one terminal."""

    def __init__(
        self, uploads: Uploads, memory: Memory, connections: Connections
    ) -> None:
        self._uploads = uploads
        self._memory = memory
        self._connections = connections

    def unknown(self, found: Sequence[Found]) -> list[Path]:
        """Return those that were not uploaded as they are now; call it in a thread.

        What was uploaded once and removed from the server stays removed: its owner
        has done that.
        """
        rows = self._memory.by_paths([path for path, _ in found])
        return [path for path, shape in found if not _is_there(rows.get(path), shape)]

    async def bring(self, path: Path, progress: Progress) -> Item:
        """Upload a file from where it was cut; return its item."""

        def begin(entry: Remembered) -> None:
            if entry.path != str(path):  # a link has taken its place just now
                raise errors.NoInputError(f"{path} is a symbolic link")

        brought = await self._uploads.bring(path, progress, begin=begin)
        return await self._uploads.item(brought)

    async def moved(self, path: Path, shape: Shape) -> bool:
        """Whether it is a file that was uploaded from another folder; note where.

        Under another name it is another item: recipients would see the old one.
        """
        for entry in await asyncio.to_thread(self._gone_ones, path, shape):
            if entry.sha256 is not None:
                digest, now = await reading.digest_of(path)
                if digest != entry.sha256 or now != shape:
                    continue
            # Half an upload goes on here: at its end the server's digest tells.
            await asyncio.to_thread(self._memory.move, entry, path, shape)
            return entry.sha256 is not None
        return False

    def _gone_ones(self, path: Path, shape: Shape) -> list[Remembered]:
        if self._memory.by_path(path) is not None:
            return []
        return [
            entry
            for entry in self._memory.alike(shape)
            if Path(entry.path).name == path.name and not Path(entry.path).exists()
        ]

    async def abandon(self, path: Path) -> None:
        """Give up the upload of a file that is gone, if one was cut."""
        await self._uploads.abandon(path)

    async def verify(self) -> None:
        """Log in to both servers; raise what is wrong."""
        await self._connections.close()
        await self._connections.verify()

    async def rest(self) -> None:
        """Leave the servers until there is something to do."""
        await self._connections.close()


def _is_there(entry: Remembered | None, shape: Shape) -> bool:
    return entry is not None and entry.sha256 is not None and entry.shape == shape
