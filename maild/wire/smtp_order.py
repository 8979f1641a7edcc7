# SPDX-License-Identifier: Apache-2.0
"""Keeps replies and commands in the same order while both are under way (RFC 2920)."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")

SHUTTING_DOWN = 421
"""The one reply a server may give unasked (RFC 5321 §3.8)."""


@dataclass(slots=True, eq=False)
class Slot:
    """The place of one reply in the order of replies; empty until it is known."""

    octets: bytes | None = None


class OrderedReplies:
    """The server's side: a reply that is not known yet holds back only later ones."""

    def __init__(self) -> None:
        self._slots: deque[Slot] = deque()

    def __len__(self) -> int:
        """Return how many replies have not been taken to be written."""
        return len(self._slots)

    def reserve(self) -> Slot:
        """Return the place of the next command's reply."""
        slot = Slot()
        self._slots.append(slot)
        return slot

    def add(self, octets: bytes) -> None:
        """Put a reply that is already known behind all others."""
        self._slots.append(Slot(octets))

    def take(self) -> bytes:
        """Return (and forget) all octets that may be written now, in order."""
        ready: list[bytes] = []
        while self._slots and (octets := self._slots[0].octets) is not None:
            ready.append(octets)
            self._slots.popleft()
        return b"".join(ready)


class UnexpectedReplyError(Exception):
    """The peer answered a command that was never given (response injection)."""


class ExpectedReplies(Generic[T]):
    """The client's side: which command the next reply answers."""

    def __init__(self) -> None:
        self._commands: deque[T] = deque()

    def __len__(self) -> int:
        """Return how many commands have not been answered."""
        return len(self._commands)

    def expect(self, command: T) -> None:
        """Remember a command that has been (or is about to be) written."""
        self._commands.append(command)

    def answered(self, code: int) -> T | None:
        """Return the command that a reply with ``code`` answers.

        None for a 421 that answers nothing: the server is closing the connection.
        """
        if self._commands:
            return self._commands.popleft()
        if code == SHUTTING_DOWN:
            return None
        raise UnexpectedReplyError(f"{code} answers no command")

    def drain(self) -> list[T]:
        """Return (and forget) what will never be answered: the connection is lost."""
        lost = list(self._commands)
        self._commands.clear()
        return lost
