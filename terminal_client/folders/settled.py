# SPDX-License-Identifier: GPL-3.0-only
"""Whether a file is whole: nobody has it open for writing, or it has been quiet."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from terminal_client.errors import NoInputError
from terminal_client.live_file import nobody_writes
from terminal_client.matching import Shape
from terminal_client.reading import shape_of

QUIET = 10.0
"""Seconds without a change that will do where the file system tells of no writer."""


class State(StrEnum):
    """How a path was found."""

    READY = "ready"
    WRITTEN = "being written"
    FRESH = "changed just now"
    """Nothing tells whether somebody writes it: to be looked at once more."""
    FOLDER = "a folder"
    OTHER = "no file to upload"
    GONE = "not there"


@dataclass(frozen=True, slots=True)
class Probe:
    """What was found."""

    state: State
    shape: Shape | None = None


def probe(path: Path, before: Shape | None, wall: float) -> Probe:
    """Look at a path; raise `NoInputError` for a file that cannot be read.

    ``before`` is its shape `QUIET` seconds ago, ``wall`` the time (Unix seconds).
    """
    try:
        if path.parent.resolve() != path.parent:
            return Probe(State.OTHER)  # a symbolic link has come into its way
        # Neither a link nor a pipe nobody writes may hold us up, or lead us elsewhere.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        handle = os.open(path, flags)
    except (FileNotFoundError, NotADirectoryError):
        return Probe(State.GONE)
    except PermissionError as error:
        raise NoInputError(f"{path} cannot be read: permission denied") from error
    except (OSError, RuntimeError):
        return Probe(State.OTHER)  # a link (ELOOP), a socket (ENXIO)
    try:
        return _of(handle, before, wall)
    finally:
        os.close(handle)


def _of(handle: int, before: Shape | None, wall: float) -> Probe:
    found = os.fstat(handle)
    if stat.S_ISDIR(found.st_mode):
        return Probe(State.FOLDER)
    # Empty is what a browser puts there while the content is in a file beside it.
    if not stat.S_ISREG(found.st_mode) or not found.st_size:
        return Probe(State.OTHER)
    try:
        closed = nobody_writes(handle)
    except OSError:  # not ours, or a file system that does not say
        shape = shape_of(found)
        closed = shape == before or wall - found.st_mtime >= QUIET
        return Probe(State.READY if closed else State.FRESH, shape)
    shape = shape_of(os.fstat(handle))  # behind: nothing is written after that
    return Probe(State.READY if closed else State.WRITTEN, shape)
