# SPDX-License-Identifier: Apache-2.0
"""One message while it arrives: its structure found, its large parts made blobs.

Used by one thread at a time.  `Intake.take` never raises: whatever goes wrong is kept
as ``failure`` and told to the peer when its chunk is over.  Each step is in two halves:
reading may run on the event loop when it is short; what touches blobs never does.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from maild.mail.reply import Reply, ReplyError
from maild.smtpd import replies
from maild.smtpd.arrived import MOST_HOPS, Arrived, arrived_as
from maild.store.blobs import Blobs, BlobWriter, Sealed
from maild.store.errors import StoreFullError
from maild.store.rope import Constant, Piece, whole_blob
from maild.wire import mime

_log = logging.getLogger(__name__)

LONGEST_FRONT = 256 * 1024
"""Octets in front of a blob that are kept to go on with it later."""
SHORT = 32 * 1024
"""Octets that are read in less time than a thread takes to wake."""


class Intake:
    """A message that is arriving; ``head`` is what we write in front of it.

    ``journal`` is called once, with the intake and what names its blob in the index,
    when the first raw blob has begun to grow in a file.
    """

    def __init__(
        self,
        blobs: Blobs,
        *,
        binary: bool,
        head: bytes,
        part_limit: int | None = None,
        journal: Callable[[Intake, str], None] | None = None,
    ) -> None:
        self._blobs = blobs
        self._reader = mime.MessageReader(binary=binary)
        self._head: bytes | None = head
        self.ours = len(head)
        """Octets that we write in front of the message."""
        self._front = bytearray()
        self._gathers = journal is not None
        """Whether nothing of a raw blob has been read, as far as can be known."""
        self._journal = journal
        self._part_limit = part_limit
        """Most octets of one blob: the size that was accepted."""
        self._writer: BlobWriter | None = None
        self._steps: list[mime.Step] = []
        """What has been read and not been carried out, because it touches a blob."""
        self._pieces: list[Piece] = []
        self._sealed: dict[int, Sealed] = {}
        self.failure: Reply | None = None
        self.is_suspended = False
        """Whether only room was missing: what is durable can be gone on with."""
        self.taken = 0
        """Octets of the message that have been read: where a restart goes on."""

    @classmethod
    def restored(
        cls,
        blobs: Blobs,
        *,
        binary: bool,
        front: bytes,
        ours: int,
        blob_id: int,
        part_limit: int | None,
    ) -> Intake:
        """Return the intake of a message that was cut short; blocks.

        ``front`` are the octets in front of the blob, ``ours`` of them not the peer's.
        Raises `ValueError` or `StoreError` when it cannot be gone on with.
        """
        intake = cls(blobs, binary=binary, head=b"", part_limit=part_limit)
        intake._head = None
        *before, start = intake._reader.feed(memoryview(front))
        constants = [step for step in before if isinstance(step, mime.Constant)]
        if (
            intake._reader.raw_start != len(front)
            or not isinstance(start, mime.BlobStart)
            or len(constants) < len(before)
        ):
            raise ValueError("a blob does not begin where it did")
        intake._pieces += [Constant(step.octets) for step in constants]
        intake._writer = blobs.reopen(blob_id)
        intake._reader.skip(intake._writer.size)
        intake.taken = len(front) - ours + intake._writer.size
        return intake

    @property
    def front(self) -> bytes:
        """The octets in front of the first raw blob, for `restored`; b"" later on."""
        return bytes(self._front)

    @property
    def offset(self) -> int:
        """Octets of the blob that is growing (for alignment only)."""
        return self._writer.size if self._writer else 0

    @property
    def is_growing(self) -> bool:
        """Whether a blob of it grows in a file."""
        return self._writer is not None and self._writer.in_file

    @property
    def sealed(self) -> list[int]:
        """The blobs of it that are whole."""
        return [blob.id for blob in self._sealed.values()]

    @property
    def is_short(self) -> bool:
        """Whether everything so far is in memory, and little."""
        return self._writer is None and not self._sealed and self.taken <= SHORT

    def take(self, octets: memoryview) -> None:
        """Take the next octets of the message; sets ``failure``, never raises."""
        if self.read(octets):
            self.carry_out()

    def read(self, octets: memoryview) -> bool:
        """Read the next octets; True when `carry_out` has to follow, for a blob.

        Sets ``failure``, never raises.
        """
        if self.failure is not None:
            return False
        try:
            self._begin()
            self._do(self._feed(octets))
            self.taken += len(octets)
        except Exception as error:  # noqa: BLE001 - kept for the end of the chunk
            self._stop_at(error)
        return bool(self._steps)

    def read_end(self) -> bool:
        """Read the end of the message; the rest as in `read`."""
        if self.failure is not None:
            return False
        try:
            self._begin()
            self._do(self._reader.finish())
        except Exception as error:  # noqa: BLE001 - kept for `whole`
            self._stop_at(error)
        return bool(self._steps)

    def carry_out(self) -> None:
        """Do what has been read; sets ``failure``, never raises."""
        steps, self._steps = self._steps, []
        try:
            for step in steps:
                self._carry_out(step)
        except Exception as error:  # noqa: BLE001 - kept for the end of the chunk
            self._stop_at(error)

    def fail(self, reply: Reply) -> None:
        """Refuse the message; what is still to come of it is dropped."""
        if self.failure is None:
            self.failure = reply
        self.abandon()

    def _stop_at(self, error: Exception) -> None:
        """Refuse the message; what is durable of it is kept if only room is missing."""
        writer = self._writer
        if isinstance(error, StoreFullError) and writer is not None and writer.durable:
            self._writer = None
            writer.close()
            self.is_suspended = True
        self.fail(_reply_for(error))

    def finish(self) -> Arrived:
        """Read and carry out the end; the rest as in `whole`."""
        if self.read_end():
            self.carry_out()
        return self.whole()

    def whole(self) -> Arrived:
        """Return the whole message, its blobs on the device; raise `ReplyError`."""
        if self.failure is not None:
            raise ReplyError(self.failure)
        arrived = arrived_as(self._reader, self._pieces, self._sealed)
        if arrived.hops > MOST_HOPS:
            raise ReplyError(replies.LOOP)
        return arrived

    def abandon(self) -> None:
        """Forget what has arrived; the blobs that are sealed already are collected."""
        writer, self._writer = self._writer, None
        self._pieces.clear()
        self._steps.clear()
        if writer is not None:
            try:
                writer.abandon()
            except StoreFullError:
                pass  # nor could its record be kept: its file is collected
            except Exception:  # noqa: BLE001 - nobody is left to be told
                _log.exception("a blob could not be abandoned")

    def flush(self) -> None:
        """Make the blob that is growing durable; sets ``failure``, never raises."""
        try:
            if self._writer is not None and self._writer.in_file:
                self._writer.flush()
        except Exception as error:  # noqa: BLE001 - kept for the end of the chunk
            self._stop_at(error)

    def suspend(self) -> None:
        """Close the blob that is growing; it can be gone on with: `restored`."""
        self.flush()
        writer, self._writer = self._writer, None
        if writer is not None and writer.in_file:
            writer.close()
        elif writer is not None:
            writer.abandon()

    def _begin(self) -> None:
        if self._head is not None:
            head, self._head = self._head, None
            self._do(self._feed(memoryview(head)))

    def _feed(self, octets: memoryview) -> list[mime.Step]:
        steps = self._reader.feed(octets)
        if self._gathers:
            self._gather(octets)
        return steps

    def _gather(self, octets: memoryview) -> None:
        """Keep the octets in front of the first raw blob, if they are few."""
        start = self._reader.first_raw
        missing = None if start is None else start - len(self._front)
        if missing is None:
            self._front += octets
        elif missing >= 0:
            self._front += octets[:missing]
        if len(self._front) > LONGEST_FRONT or (missing is not None and missing < 0):
            self._front.clear()
            self._journal = None
        self._gathers = missing is None and self._journal is not None

    def _do(self, steps: list[mime.Step]) -> None:
        """Carry out what needs no blob; keep the rest, in order, for `carry_out`."""
        for step in steps:
            if self._steps or not isinstance(step, mime.Constant):
                self._steps.append(step)
            else:
                self._carry_out(step)

    def _carry_out(self, step: mime.Step) -> None:
        match step:
            case mime.Constant(octets):
                self._pieces.append(Constant(octets))
            case mime.BlobStart(expected):
                self._writer = self._blobs.create(expected)
            case mime.BlobOctets(octets):
                self._append(octets)
            case mime.BlobEnd(as_base64, open_end):
                self._seal(as_base64=as_base64, open_end=open_end)

    def _append(self, octets: bytes | memoryview) -> None:
        assert self._writer is not None
        if (
            self._part_limit is not None
            and self._writer.size + len(octets) > self._part_limit
        ):
            raise ReplyError(replies.TOO_LARGE)
        self._writer.append(octets)
        # One that has ended already will not have to be gone on with.
        growing = self._reader.raw_start == len(self._front)
        if self._journal is not None and self._writer.in_file and growing:
            journal, self._journal = self._journal, None
            journal(self, self._writer.key)
            self._front.clear()

    def _seal(self, *, as_base64: bool, open_end: bool) -> None:
        assert self._writer is not None
        sealed = self._writer.seal()
        self._writer = None
        self._sealed[len(self._pieces)] = sealed
        self._pieces.append(
            whole_blob(sealed.id, sealed.size, as_base64=as_base64, open_end=open_end)
        )


def _reply_for(error: Exception) -> Reply:
    if isinstance(error, ReplyError):
        return error.reply
    if not replies.is_foreseen(error):
        _log.error("an arriving message", exc_info=error)
    return replies.for_error(error)
