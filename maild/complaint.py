# SPDX-License-Identifier: Apache-2.0
"""How an error ends a process: one sentence on stderr, and a status of sysexits(3)."""

from __future__ import annotations

import errno
import os
import sys

from maild.config import ConfigError
from maild.listeners import ListenError
from maild.store.errors import StoreBrokenError, StoreError, StoreFullError, TooNewError


class OperatorError(Exception):
    """A verb cannot be carried out; the text is one sentence for the operator."""

    def __init__(self, text: str, status: int = os.EX_DATAERR) -> None:
        super().__init__(text)
        self.status = status


def complain(error: Exception) -> int:
    """Say what went wrong, return the exit status; raise what nobody foresaw."""
    first = _first(error)
    if not isinstance(first, OperatorError | ConfigError | StoreError | OSError):
        raise error
    print(f"maild: {_sentence(first)}", file=sys.stderr)  # noqa: T201 - a complaint
    return _status(first)


def _first(error: BaseException) -> BaseException:
    """Return what went wrong first, when several stations ended together."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _sentence(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror}"
    return str(error)


def _status(error: BaseException) -> int:
    match error:
        case OperatorError():
            return error.status
        case ConfigError():
            return os.EX_CONFIG
        case StoreBrokenError():
            return os.EX_IOERR
        case TooNewError():
            return os.EX_DATAERR
        case StoreFullError() | StoreError():
            return os.EX_TEMPFAIL
        case ListenError() if error.errno != errno.EACCES:
            return os.EX_UNAVAILABLE  # who listens there now may go
        case PermissionError() | ListenError():
            return os.EX_NOPERM
        case _:
            return os.EX_OSERR
