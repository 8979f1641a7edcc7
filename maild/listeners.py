# SPDX-License-Identifier: Apache-2.0
"""Addresses to listen at: no two listeners share one, and what is said if none may."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import combinations
from typing import Any, Final

from maild.options import host_port

KEYS: Final = ("listen", "listen_starttls")
EVERYWHERE: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104 - read


class ListenError(OSError):
    """Nobody can listen at an address: somebody does, or it is none of ours."""


def clashes(tables: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield each address of a configuration that another one takes: table, complaint.

    ``tables``: settings by the name of their table.
    """
    named = [
        (table, key, address)
        for table, settings in tables.items()
        for key in KEYS
        for address in getattr(settings, key, ())
    ]
    for (table, key, first), (other, another, second) in combinations(named, 2):
        if _same(first, second):
            yield other, f"{another}: {second} is taken: [{table}] {key} has {first}"


def _same(first: str, second: str) -> bool:
    (host, port), (other, another) = host_port(first), host_port(second)
    if port != another or port == 0:  # 0: any that is free
        return False
    if (":" in host) != (":" in other):  # IPv6 listens beside IPv4
        return False
    return host == other or not EVERYWHERE.isdisjoint({host, other})


@contextmanager
def listening(address: str) -> Iterator[None]:
    """Say at which address it failed when what is done inside cannot listen there."""
    try:
        yield
    except OSError as error:
        number = error.errno or 0  # those of getaddrinfo(3) are negative
        why = os.strerror(number) if number > 0 else error.strerror
        raise ListenError(number, f"cannot listen at {address}: {why}") from error
