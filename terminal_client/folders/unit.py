# SPDX-License-Identifier: GPL-3.0-only
"""The systemd unit of a user that keeps a watch running (systemd.unit(5))."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from terminal_client import errors
from terminal_client.profile import DEFAULT_NAME, Profile, write_private

PATIENCE = 30.0
"""Seconds for systemctl."""
TEXT = """\
[Unit]
Description=mshare, uploads what appears in watched folders
Documentation=https://www.rfc-editor.org/rfc/rfc1845
StartLimitIntervalSec=0

[Service]
ExecStart={command} watch
Restart=on-failure
RestartSec=60s
# What cannot be mended by starting again: usage (64), no login (77), set-up (78).
RestartPreventExitStatus=64 77 78
SuccessExitStatus=130

# Behind everything that somebody waits for.
Nice=10
IOSchedulingClass=idle
UMask=0077

NoNewPrivileges=yes
LockPersonality=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RestrictNamespaces=yes
SystemCallArchitectures=native
# AF_UNIX is for D-Bus and the journal, AF_NETLINK for name look-ups.
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK

[Install]
WantedBy=default.target
"""


def text(command: str) -> str:
    """Return the unit for a command, as systemd quotes it."""
    return TEXT.format(command=command)


def name(who: Profile) -> str:
    """Return the unit's name: one for each profile."""
    called = who.directory.name
    return (
        "mshare-watch.service"
        if called == DEFAULT_NAME
        else f"mshare-watch-{_escaped(called)}.service"
    )


def path(who: Profile) -> Path:
    """Return where the unit of a profile lies (systemd.unit(5), user units)."""
    home = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(home) / "systemd" / "user" / name(who)


def install(who: Profile) -> Path:
    """Write, enable and start the unit; return its path.

    Where no systemd runs for this user nothing is left behind.
    """
    place = path(who)
    command = f"{_quoted(_program())} --profile {_quoted(str(who.directory))}"
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        write_private(place, text(command).encode())
    except (OSError, UnicodeEncodeError) as error:
        raise errors.CannotCreateError(f"{place} cannot be written: {error}") from error
    try:
        _systemctl("daemon-reload")
        _systemctl("enable", name(who))
        _systemctl("restart", name(who))  # what ran before watched other folders
    except errors.UnavailableError:
        place.unlink(missing_ok=True)
        raise
    return place


def uninstall(who: Profile) -> bool:
    """Stop and remove the unit; say whether there was one."""
    place = path(who)
    if not place.exists():
        return False
    with suppress(errors.UnavailableError):  # no systemd, nothing that runs
        _systemctl("disable", "--now", name(who))
    place.unlink(missing_ok=True)
    return True


def _program() -> str:
    """Return this program's path."""
    beside = Path(sys.executable).parent / "mshare"
    return str(beside if beside.exists() else Path(sys.argv[0]).absolute())


def _systemctl(*words: str) -> None:
    try:
        done = subprocess.run(  # noqa: S603 # the words are ours
            ["systemctl", "--user", "--quiet", *words],  # noqa: S607 # the user's own
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise errors.UnavailableError(_no_systemd(str(error))) from error
    if done.returncode:
        said = done.stderr.strip().splitlines()
        raise errors.UnavailableError(_no_systemd(said[0] if said else "it says no"))


def _no_systemd(why: str) -> str:
    return (
        f"systemd does not start it for you ({why.rstrip('.')}); "
        "let `mshare watch` run by other means, or by hand"
    )


def _quoted(word: str) -> str:
    """Quote a word of ExecStart (systemd.service(5), command lines)."""
    plain = word.replace("\\", "\\\\").replace('"', '\\"')
    plain = plain.replace("%", "%%").replace("$", "$$")
    return (
        plain if plain.isascii() and not set(plain) & set(" \t'\";") else f'"{plain}"'
    )


def _escaped(called: str) -> str:
    """Return a profile's name as it may stand in that of a unit."""
    return "".join(
        c if c.isascii() and c.isalnum() else f"_{ord(c):x}_" for c in called
    )
