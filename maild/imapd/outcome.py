# SPDX-License-Identifier: Apache-2.0
"""How a command can end: ``OK`` or ``NO``, in IMAP's words (RFC 9051 §7.1)."""

from __future__ import annotations

from dataclasses import dataclass

from maild.store.errors import InUseError, NotFoundError, OverQuotaError, StoreFullError
from maild.wire.imap_write import NoError


@dataclass(frozen=True, slots=True)
class Done:
    """A command was carried out: ``OK [code] text``; ``told``: already sent."""

    text: str
    code: str = ""
    told: bool = False


SERVERBUG = NoError("an error on our side; try again later", "SERVERBUG")
"""The answer to an error that nobody foresaw."""


def explain(error: Exception) -> NoError:
    """Return what a client is told of an error; an unforeseen one keeps its text."""
    match error:
        case NoError():
            return error
        case InUseError():
            return NoError("the content is still arriving", "INUSE")
        case NotFoundError():
            return NoError("it is not there any more", "NONEXISTENT")
        case OverQuotaError():  # RFC 5530 §3
            return NoError("the account has no room for it", "OVERQUOTA")
        case StoreFullError():
            return NoError("no room at the moment", "UNAVAILABLE")
        case _:
            return SERVERBUG
