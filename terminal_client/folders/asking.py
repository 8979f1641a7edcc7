# SPDX-License-Identifier: GPL-3.0-only
"""What is settled about watching at login and logout: off, unless somebody says so.

The seed: "When a user logs in [...], the user is prompted to select" it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from terminal_client import screen
from terminal_client.errors import NoInputError, UnavailableError
from terminal_client.folders import chosen, unit
from terminal_client.folders.chosen import Chosen
from terminal_client.naming import shown
from terminal_client.profile import Profile

QUESTION = (
    "Upload by itself what appears in a folder, while the network is not metered?\n"
    "The folder, or Enter for none: "
)


def at_login(who: Profile, folders: Sequence[Path], *, never: bool) -> None:
    """Take what the command line says; ask, once, where somebody can answer."""
    if never:
        stop(who)
        return
    if not folders and not chosen.load(who).folders:
        folders = _asked()
    if folders:
        try:
            begin(who, Chosen(tuple(folders)))
        except UnavailableError as error:  # logged in is logged in
            screen.remark(str(error))


def begin(who: Profile, wanted: Chosen) -> None:
    """Remember the folders, and have them watched from now on."""
    chosen.save(who, wanted)
    names = ", ".join(shown(str(folder)) for folder in wanted.folders)
    try:
        place = unit.install(who)
    except UnavailableError as error:
        raise UnavailableError(f"{names}: remembered, but {error}") from error
    screen.say(f"watching {names} from now on; the unit is {place}")


def stop(who: Profile) -> bool:
    """Watch nothing any more; say whether anything was watched."""
    was_chosen = bool(chosen.load(who).folders)
    chosen.forget(who)
    return unit.uninstall(who) or was_chosen


def _asked() -> list[Path]:
    """Ask where somebody can answer; nothing is an answer, too."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return []
    while True:
        try:
            said = input(QUESTION).strip()
        except EOFError:
            return []
        if not said:
            return []
        try:
            return chosen.roots([Path(said)])
        except NoInputError as error:
            screen.remark(f"{error}; Enter for none")
