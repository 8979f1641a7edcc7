# SPDX-License-Identifier: Apache-2.0
"""Turns the octets of one message that a client brings into a rope."""

from __future__ import annotations

from maild.store.blobs import Blobs, BlobWriter, Sealed
from maild.store.reading import RopeReader
from maild.store.rope import Constant, Piece, Rope, whole_blob
from maild.wire import mime


class Filing:
    """Used by one thread at a time; holds nothing that grows with the message."""

    def __init__(self, blobs: Blobs, *, binary: bool) -> None:
        self.reader = mime.MessageReader(binary=binary)
        self.sealed: dict[int, Sealed] = {}
        """Its blobs, by place in the rope."""
        self._blobs = blobs
        self._pieces: list[Piece] = []
        self._writer: BlobWriter | None = None

    @property
    def takes_raw(self) -> bool:
        """Whether what comes next is content without any transfer encoding."""
        return self.reader.raw_start is not None

    def feed(self, octets: bytes) -> None:
        """Take the next octets."""
        for step in self.reader.feed(memoryview(octets)):
            self._carry_out(step)

    def copy(self, source: RopeReader, start: int, count: int) -> None:
        """Take octets of what is in the store already; waits for the device."""
        for piece in source.pieces(start, count):
            self.feed(piece)

    def finish(self) -> Rope:
        """Take the end; every blob is on the device when this returns."""
        for step in self.reader.finish():
            self._carry_out(step)
        return Rope(self._pieces)

    def abandon(self) -> None:
        """Forget its blobs, unless somebody refers to them."""
        if self._writer is not None:
            self._writer.abandon()
            self._writer = None
        for sealed in self.sealed.values():
            self._blobs.drop(sealed.id)

    def _carry_out(self, step: mime.Step) -> None:
        match step:
            case mime.Constant(octets):
                self._pieces.append(Constant(octets))
            case mime.BlobStart(expected):
                self._writer = self._blobs.create(expected)
            case mime.BlobOctets(octets):
                assert self._writer is not None
                self._writer.append(octets)
            case mime.BlobEnd(as_base64, open_end):
                assert self._writer is not None
                sealed = self._writer.seal()
                self._writer = None
                self.sealed[len(self._pieces)] = sealed
                piece = whole_blob(
                    sealed.id, sealed.size, as_base64=as_base64, open_end=open_end
                )
                self._pieces.append(piece)
