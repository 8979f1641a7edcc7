# SPDX-License-Identifier: GPL-3.0-only
"""Which folders a profile watches: ``watch.toml`` in its directory, 0600.

::

    folders = ["/home/alice/Videos"]
    on_metered = false        # whether metered networks are used, too
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from terminal_client.errors import (
    CannotCreateError,
    ContentError,
    NoInputError,
    SetUpError,
)
from terminal_client.profile import Profile, write_private


@dataclass(frozen=True, slots=True)
class Chosen:
    """What somebody has chosen."""

    folders: tuple[Path, ...] = ()
    on_metered: bool = False


def chosen_file(who: Profile) -> Path:
    """Return where it is kept."""
    return who.directory / "watch.toml"


def load(who: Profile) -> Chosen:
    """Return what was chosen; nothing, when nothing was."""
    path = chosen_file(who)
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Chosen()
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SetUpError(f"{path} cannot be read: {error}") from error
    match found:
        case {"folders": list(names)} if all(isinstance(n, str) for n in names):
            on_metered = found.get("on_metered", False) is True
            return Chosen(tuple(map(Path, names)), on_metered)
        case _:
            raise SetUpError(f"{path}: folders is not a list of paths")


def save(who: Profile, chosen: Chosen) -> None:
    """Remember it."""
    try:
        names = [str(path) for path in chosen.folders]
        # A JSON string without \u escapes of surrogates is a TOML basic string.
        text = (
            f"folders = {json.dumps(names, ensure_ascii=False)}\n"
            f"on_metered = {json.dumps(chosen.on_metered)}\n"
        )
        write_private(chosen_file(who), text.encode())
    except UnicodeEncodeError as error:
        raise ContentError("only a folder whose name is UTF-8 is remembered") from error
    except OSError as error:
        raise CannotCreateError(
            f"{chosen_file(who)} cannot be written: {error.strerror}"
        ) from error


def forget(who: Profile) -> None:
    """Watch nothing any more."""
    chosen_file(who).unlink(missing_ok=True)


def roots(folders: Iterable[Path], *, patient: bool = False) -> list[Path]:
    """Return folders as the system knows them, each once, none within another.

    ``patient``: one that is not there may come.
    """
    found: set[Path] = set()
    for folder in folders:
        try:
            path = folder.expanduser().resolve(strict=not patient)
        except (OSError, RuntimeError):
            raise NoInputError(f"there is no folder {folder}") from None
        if not path.is_dir() and not (patient and not path.exists()):
            raise NoInputError(f"{folder} is not a folder")
        found.add(path)
    return sorted(path for path in found if found.isdisjoint(path.parents))
