# SPDX-License-Identifier: GPL-3.0-only
"""Finds the one thing that a person means by an id or the beginning of one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from terminal_client.errors import UsageError

FEWEST = 4
"""Characters that are enough of an id, when no other begins so."""


class Named(Protocol):
    """Whatever has an id."""

    @property
    def id(self) -> str:
        """The whole id."""
        ...


T = TypeVar("T", bound=Named)


def hint(name: str) -> str:
    """Return what else to say of a name that nothing has: it may be too short."""
    if name.isdigit() or len(name) >= FEWEST:
        return ""
    return f" (an id needs its first {FEWEST} characters, at least)"


def by_id(known: Sequence[T], name: str) -> T | None:
    """Return what ``name`` stands for; None if nothing, `UsageError` if several."""
    exact = [thing for thing in known if thing.id == name]
    if exact:
        return exact[-1]
    begun = [t for t in known if len(name) >= FEWEST and t.id.startswith(name)]
    if len(begun) > 1:
        raise UsageError(f"{name} begins more than one id; write more of it")
    return begun[0] if begun else None
