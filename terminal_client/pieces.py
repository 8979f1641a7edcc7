# SPDX-License-Identifier: GPL-3.0-only
"""Getting a piece of an item: a range of its octets, or one member of an archive.

Only the piece travels.  A digest of the whole says nothing about it; a member of a zip
is compared with its own checksum.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Protocol, TypeVar, cast

from terminal_client import errors, naming
from terminal_client.browsing import reading
from terminal_client.destination import Destination
from terminal_client.download import Arrival
from terminal_client.library import Item
from terminal_client.looking import packed, tar, zip_directory, zip_member
from terminal_client.looking.octets import OddError
from terminal_client.looking.range_file import Allowance, NotThereYetError, RangeFile
from terminal_client.looking.seen import Entry
from terminal_client.progress import PATIENCE
from terminal_client.receiving import Receiving

OCTETS = 64 << 20
"""Octets that may be fetched to find a member; few are kept."""
SLICES = 100_000
"""Slices that may be fetched for it."""
_RANGE = re.compile(r"([0-9]{1,18})?-([0-9]{1,18})?")


@dataclass(frozen=True, slots=True)
class Range:
    """Octets ``first`` to ``last``, both included (RFC 9110 §14.1.2).

    Without ``first`` the last so many octets are meant, without ``last`` all that
    follow.
    """

    first: int | None
    last: int | None

    def of(self, size: int) -> tuple[int, int]:
        """Return the offset and the count in ``size`` octets; `ContentError`: none."""
        last = size - 1 if self.first is None or self.last is None else self.last
        first = max(0, size - (self.last or 0)) if self.first is None else self.first
        count = min(last, size - 1) - first + 1
        if count <= 0:
            raise errors.ContentError(
                f"it has no octets in that range: it has {size:,} octets, from 0 on"
            )
        return first, count


@dataclass(frozen=True, slots=True)
class Part:
    """A member of an archive, by its whole name or, if only one has it, its last."""

    name: str


def parse_range(text: str) -> Range:
    """Read ``A-B``, ``A-`` or ``-N``."""
    found = _RANGE.fullmatch(text.strip())
    if found is None or text.strip() == "-":
        raise errors.UsageError(
            f"{text} is no range; write first-last, first- or -count, as 0-1023"
        )
    first, last = (int(number) if number else None for number in found.groups())
    if first is not None and last is not None and last < first:
        raise errors.UsageError(f"{text} is no range: it ends before it begins")
    return Range(first, last)


@dataclass(frozen=True, slots=True)
class Piece:
    """What is got: where it is in the item, what it will be called, how large."""

    item: Item
    """As if the piece were an item: its name, and its size when it is written."""
    first: int
    count: int
    """Octets that travel."""
    packed: zip_directory.Member | None = None


async def find(receiving: Receiving, wanted: Range | Part) -> Piece:
    """Return where a piece is; for a member its archive's directory is read."""
    item = receiving.item
    if isinstance(wanted, Range):
        first, count = wanted.of(item.size)
        name = f"{item.name}.{first}-{first + count - 1}"
        return Piece(_as_item(item, name, count), first, count)
    allowance = Allowance(OCTETS, SLICES)
    what = naming.shown(wanted.name)
    telling = asyncio.get_running_loop().call_later(
        PATIENCE, receiving.tell, f"looking for {what}"
    )
    try:
        return await reading(receiving, allowance, lambda f: _member(f, item, wanted))
    except NotThereYetError as error:
        raise errors.TryLaterError(
            f"{what} cannot be found yet: {error}; try again later"
        ) from error
    except OddError as error:
        raise errors.ContentError(
            f"{naming.shown(item.name)} is damaged: {error}"
        ) from error
    finally:
        telling.cancel()


def _as_item(item: Item, name: str, size: int) -> Item:
    return replace(item, name=name, size=size, sha256=None)


def _member(file: RangeFile, item: Item, wanted: Part) -> Piece:
    file.seek(0)
    head = file.read(tar.HEADER) or b""
    if head.startswith((b"PK\3\4", b"PK\5\6")):
        directory = zip_directory.find(file)
        inside = zip_directory.members(file, directory)
        member = _pick(inside, wanted)
        first = zip_member.content_at(file, member)
        entry = member.entry
        name = _last(entry.name)
        return Piece(_as_item(item, name, entry.size), first, entry.packed, member)
    if tar.is_tar(head):
        found = _pick(tar.members(file), wanted)
        if not found.is_plain:
            raise errors.UnavailableError(
                f"{naming.shown(found.entry.name)} is no file that stands in the "
                "archive as it is; get the whole archive"
            )
        size = found.entry.size
        if found.offset + size > file.size:
            raise OddError("it ends before a member of it does")
        name = _last(found.entry.name)
        return Piece(_as_item(item, name, size), found.offset, size)
    if packed.method(head) is not None:
        raise errors.UnavailableError(
            f"{naming.shown(item.name)} is packed as a whole: nothing can be got of it "
            "alone; get all of it"
        )
    raise errors.UsageError(f"{naming.shown(item.name)} is no zip and no tar")


def _last(name: str) -> str:
    return PurePosixPath(name.replace("\\", "/")).name


class _Named(Protocol):
    """A member of any archive."""

    @property
    def entry(self) -> Entry:
        """What is told of it."""


M = TypeVar("M", bound=_Named)


def _pick(members: Iterator[M], wanted: Part) -> M:
    """Return the first member of that name, else the only one whose last name it is."""
    alike: M | None = None
    several = False
    for member in members:
        if member.entry.is_directory:
            continue
        if member.entry.name == wanted.name:
            return member
        if _last(member.entry.name) == wanted.name:
            several = alike is not None
            alike = alike or member
    if several:
        raise errors.UsageError(
            f"several members are called {naming.shown(wanted.name)}; write the whole "
            "name, as `mshare preview` shows it"
        )
    if alike is None:
        raise errors.NoInputError(
            f"there is no file {naming.shown(wanted.name)} in the archive; "
            "`mshare preview` lists what there is"
        )
    return alike


class PieceReceiving:
    """Gets one piece; goes on after cuts, and begins anew with the next run."""

    def __init__(self, receiving: Receiving, piece: Piece) -> None:
        self._receiving = receiving
        self._piece = piece
        self.item = piece.item
        """As if the piece were an item."""

    async def into_file(self, place: Destination) -> Path:
        """Bring it into a file, which appears whole or not at all."""
        size = self.item.size
        arrival = await asyncio.to_thread(place.open, size, go_on=False)
        try:
            await self.into(arrival.sink)
            return await asyncio.to_thread(place.keep)
        finally:
            await asyncio.to_thread(place.discard)

    async def into(self, sink: BinaryIO) -> Item:
        """Write it to a stream."""
        piece = self._piece
        if piece.packed is None:
            await self._receiving.stretch(Arrival(sink), piece.first, piece.count)
            return piece.item
        unpacking = zip_member.Unpacking(piece.packed, sink)
        arrival = Arrival(cast(BinaryIO, unpacking))
        await self._receiving.stretch(arrival, piece.first, piece.count)
        unpacking.must_be_whole()
        return piece.item
