# SPDX-License-Identifier: GPL-3.0-only
"""``mshare login``: prove to both servers who you are, then remember it."""

from __future__ import annotations

import getpass
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from maild.mail.address import Address
from terminal_client import addresses, errors, profile, screen, secret
from terminal_client.folders import asking, chosen
from terminal_client.profile import Profile
from terminal_client.screen import ProfileOption
from terminal_client.terminal import Terminal

ServerOption = Annotated[
    str | None,
    typer.Option(metavar="HOST", help="Your server. Default: the address's domain."),
]
SubmissionOption = Annotated[
    str | None,
    typer.Option(metavar="HOST:PORT", help="Where you submit. Default: HOST:465."),
]
ImapOption = Annotated[
    str | None,
    typer.Option(metavar="HOST:PORT", help="Your mailboxes. Default: HOST:993."),
]
CaOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="Trust only this authority (PEM), not the system's."
    ),
]
TlsNameOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="Name in the certificates, if not that of the host."
    ),
]
PasswordOption = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from stdin.")
]


@dataclass(frozen=True, slots=True)
class Servers:
    """Where a login is to be proven, as it was typed."""

    server: str | None
    submission: str | None
    imap: str | None
    ca: Path | None
    tls_name: str | None

    def profile(self, directory: Path, who: Address) -> Profile:
        """Return the profile that this makes; `UsageError` for a bad place."""
        host = self.server or who.domain
        submission, imap = self.submission or host, self.imap or host
        try:
            return Profile(
                directory=directory,
                address=who,
                submission=profile.parse_place(submission, profile.SUBMISSION_PORT),
                imap=profile.parse_place(imap, profile.IMAP_PORT),
                ca=self.ca.expanduser().absolute() if self.ca else None,
                tls_name=self.tls_name,
            )
        except ValueError as error:
            raise errors.UsageError(str(error)) from error


def login(
    context: typer.Context,
    address: Annotated[
        str, typer.Argument(metavar="ADDRESS", help="Your mail address.")
    ],
    server: ServerOption = None,
    submission: SubmissionOption = None,
    imap: ImapOption = None,
    ca: CaOption = None,
    tls_name: TlsNameOption = None,
    password_stdin: PasswordOption = False,
    watch: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="DIR", help="Upload by itself what appears there (`mshare watch`)."
        ),
    ] = None,
    no_watch: Annotated[
        bool, typer.Option("--no-watch", help="Watch no folder, and do not ask.")
    ] = False,
    named: ProfileOption = None,
) -> None:
    """Log in, and remember it for the next time.

    The password is asked for without echo, checked with both servers, and kept in
    the desktop's keyring if there is one, else in a file that only you can read.
    """
    if watch and no_watch:
        raise errors.UsageError("--watch and --no-watch exclude each other")
    folders = chosen.roots(watch or [])
    directory = profile.profile_directory(screen.chosen(context, named))
    who = addresses.recipient(address)
    servers = Servers(server, submission, imap, ca, tls_name)
    wanted = servers.profile(directory, who)
    must_be_ours(wanted, "`mshare logout`")
    password = asked_password(who, from_stdin=password_stdin)
    screen.run(_verify(wanted, password))
    profile.save(wanted)
    where = secret.keep(wanted, password)
    screen.say(f"logged in as {who}; the password is kept in {where}")
    asking.at_login(wanted, folders, never=no_watch)


def must_be_ours(wanted: Profile, logout: str) -> None:
    """Refuse to turn one person's profile into another's; ``logout`` ends that one."""
    try:
        known = profile.load(str(wanted.directory))
    except errors.SetUpError:
        return
    if known.address.key != wanted.address.key:
        raise errors.SetUpError(
            f"this profile is that of {known.address}; choose another with "
            f"--profile NAME, or {logout} first"
        )


def asked_password(who: object, *, from_stdin: bool) -> str:
    """Read a password from stdin, or ask for it without echo."""
    if from_stdin:
        password = sys.stdin.readline().removesuffix("\n").removesuffix("\r")
    elif sys.stdin.isatty():
        password = getpass.getpass(f"Password of {who}: ")
    else:
        raise errors.UsageError(
            "there is no terminal to ask for the password; use --password-stdin"
        )
    if not password:
        raise errors.UsageError("the password is empty")
    return password


async def _verify(who: Profile, password: str) -> None:
    async with Terminal.open(who, password=password) as terminal:
        await terminal.verify()
