# SPDX-License-Identifier: Apache-2.0
"""What a message will be like once its large part is here, told from what frames it."""

from __future__ import annotations

from dataclasses import dataclass

from maild.mail.structure import Structure
from maild.wire import mime
from maild.wire.mime_steps import BlobEnd, BlobStart, Constant, Step


@dataclass(frozen=True, slots=True)
class Foreseen:
    """A rendering whose blob is still growing."""

    before: bytes
    """Octets of the rendering in front of the blob; those behind it are not known."""
    end: BlobEnd
    """How the blob is rendered."""
    structure: Structure
    """The whole of it: what is behind the blob has a known length."""


class Front:
    """The octets of a message in front of its raw blob.

    Raises `ValueError` when no blob begins at their end, and
    `maild.mail.reply.ReplyError` for what cannot be read at all.
    """

    def __init__(self, octets: bytes) -> None:
        self._reader = mime.MessageReader(binary=True)
        self._steps = self._reader.feed(memoryview(octets))
        if self._reader.raw_start != len(octets):
            raise ValueError("no blob begins there")

    def header(self, name: str) -> str | None:
        """Return a top-level field's unfolded text."""
        return self._reader.header(name)

    @property
    def boundary(self) -> str:
        """The boundary between the parts of the message; "" when it has none."""
        return self._reader.boundary

    def foresee(self, expected: int, behind: bytes) -> Foreseen:
        """Return what becomes of it with ``expected`` octets and ``behind`` them.

        To be called once.  Raises as the constructor does: one part is large.
        """
        self._reader.skip(expected)
        steps = [*self._steps, *self._reader.feed(memoryview(behind))]
        steps += self._reader.finish()
        starts = [at for at, step in enumerate(steps) if isinstance(step, BlobStart)]
        ends = [step for step in steps if isinstance(step, BlobEnd)]
        if len(starts) != 1 or len(ends) != 1:
            raise ValueError("more than one part is large")
        before = _octets(steps[: starts[0]])
        return Foreseen(before, ends[0], self._reader.structure)


def _octets(steps: list[Step]) -> bytes:
    return b"".join(step.octets for step in steps if isinstance(step, Constant))
