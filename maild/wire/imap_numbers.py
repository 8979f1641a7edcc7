# SPDX-License-Identifier: Apache-2.0
"""Sets of message numbers and UIDs as IMAP writes them (RFC 9051 §9: sequence-set)."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_RANGE = re.compile(r"([1-9][0-9]{0,9}|\*)(?::([1-9][0-9]{0,9}|\*))?")


@dataclass(frozen=True, slots=True)
class SequenceSet:
    """Ranges of numbers, ends included; None stands for ``*``, the largest in use."""

    ranges: tuple[tuple[int | None, int | None], ...]
    saved: bool = False
    """``$``: the result of the last SEARCH that was saved (RFC 5182)."""

    def positions(self, numbers: Sequence[int]) -> list[int]:
        """Return the places (from 0, in order, once each) in ascending ``numbers``."""
        if not numbers:
            return []
        found: set[int] = set()
        for first, last in self.ranges:
            one = numbers[-1] if first is None else first
            other = numbers[-1] if last is None else last
            low, high = min(one, other), max(one, other)
            found.update(range(bisect_left(numbers, low), bisect_right(numbers, high)))
        return sorted(found)


def parse_sequence_set(text: str) -> SequenceSet | None:
    """Read a sequence set; None when it is malformed."""
    if text == "$":
        return SequenceSet((), saved=True)
    ranges: list[tuple[int | None, int | None]] = []
    for part in text.split(","):
        found = _RANGE.fullmatch(part)
        if found is None:
            return None
        first = _number(found[1])
        ranges.append((first, first if found[2] is None else _number(found[2])))
    return SequenceSet(tuple(ranges))


def compact(numbers: Iterable[int]) -> str:
    """Return numbers in the order given as a set: 1, 2, 3, 7 becomes ``1:3,7``."""
    parts: list[str] = []
    first = last = None
    for number in numbers:
        if last is not None and number == last + 1:
            last = number
            continue
        if first is not None:
            parts.append(_range(first, last))
        first = last = number
    if first is not None:
        parts.append(_range(first, last))
    return ",".join(parts)


def _range(first: int, last: int | None) -> str:
    return str(first) if first == last else f"{first}:{last}"


def _number(text: str) -> int | None:
    return None if text == "*" else int(text)
