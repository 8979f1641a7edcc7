# SPDX-License-Identifier: GPL-3.0-only
"""``mshare number ...``: the number under which a rendezvous knows you."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from terminal_client import numbers, profile, screen, secret
from terminal_client.profile import Profile
from terminal_client.rendezvous import POLICIES, Rendezvous
from terminal_client.screen import JsonOption, ProfileOption
from terminal_client.terminal import Terminal
from terminal_client.verbs.login import (
    CaOption,
    ImapOption,
    PasswordOption,
    ServerOption,
    Servers,
    SubmissionOption,
    TlsNameOption,
    asked_password,
    must_be_ours,
)

app = typer.Typer(
    help="Your number, at a rendezvous.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Policy = StrEnum("Policy", {name.upper(): name for name in POLICIES})  # type: ignore[misc] # made of a tuple


@app.command(
    epilog="\b\nExamples:\n  mshare number login +14155550101@rcs.example\n"
    "  mshare number login +14155550101@rcs.example --server mail.rcs.example"
)
def login(
    context: typer.Context,
    number: Annotated[
        str,
        typer.Argument(
            metavar="NUMBER@DOMAIN", help="Your number, and its rendezvous."
        ),
    ],
    server: ServerOption = None,
    submission: SubmissionOption = None,
    imap: ImapOption = None,
    ca: CaOption = None,
    tls_name: TlsNameOption = None,
    password_stdin: PasswordOption = False,
    named: ProfileOption = None,
) -> None:
    """Log in to a rendezvous, beside your own server, and remember it.

    The rendezvous is told your mail address. It tells it to numbers that you allow,
    and to those that you ask.
    """
    home = profile.load(screen.chosen(context, named))
    who = numbers.of_rendezvous(number)
    servers = Servers(server, submission, imap, ca, tls_name)
    wanted = servers.profile(home.directory / numbers.DIRECTORY, who)
    must_be_ours(wanted, "`mshare number logout`")
    password = asked_password(who, from_stdin=password_stdin)
    screen.run(_log_in(home, wanted, password))
    profile.save(wanted)
    where = secret.keep(wanted, password)
    screen.say(
        f"logged in as {who.local}, known there as {home.address}; "
        f"the password is kept in {where}"
    )


async def _log_in(home: Profile, number: Profile, password: str) -> None:
    async with Terminal.open(home) as terminal:
        await terminal.log_in_number(number, password)


@app.command(epilog="\b\nExamples:\n  mshare number logout")
def logout(context: typer.Context, named: ProfileOption = None) -> None:
    """Forget the number and its password.

    Nothing at the rendezvous changes; whom you know stays known.
    """
    home = profile.load(screen.chosen(context, named))
    number = numbers.must_load(home)
    forget_login(home)
    screen.say(f"logged out {number.address.local}")


def forget_login(home: Profile) -> None:
    """Remove the second login of a profile, if there is one."""
    number = numbers.load(home)
    if number is None:
        return
    secret.forget(number)
    (number.directory / "profile.toml").unlink(missing_ok=True)


@app.command(epilog="\b\nExamples:\n  mshare number show\n  mshare number show --json")
def show(
    context: typer.Context, as_json: JsonOption = False, named: ProfileOption = None
) -> None:
    """Show your number, and what the rendezvous says of it."""
    home = profile.load(screen.chosen(context, named))
    found = screen.run(_show(home))
    if as_json:
        screen.dump(found)
        return
    for name, value in found.items():
        screen.say(f"{name:11} {value}")


async def _show(home: Profile) -> dict[str, Any]:
    rendezvous = await Rendezvous.of(home, numbers.must_load(home))
    try:
        return {
            "number": rendezvous.number.local,
            "rendezvous": rendezvous.number.domain,
            "address": await rendezvous.home(),
            "policy": await rendezvous.policy(),
        }
    finally:
        await rendezvous.close()


@app.command(
    epilog="\b\nExamples:\n  mshare number policy\n  mshare number policy contacts"
)
def policy(
    context: typer.Context,
    whom: Annotated[
        Policy | None, typer.Argument(metavar="[ask|contacts|everyone]")
    ] = None,
    as_json: JsonOption = False,
    named: ProfileOption = None,
) -> None:
    """Show or set who is told your mail address without asking you.

    ask: nobody; contacts: numbers that you have asked or told before; everyone.
    """
    home = profile.load(screen.chosen(context, named))
    found = screen.run(_policy(home, None if whom is None else str(whom)))
    if as_json:
        screen.dump({"policy": found})
    else:
        screen.say(found)


async def _policy(home: Profile, wanted: str | None) -> str:
    rendezvous = await Rendezvous.of(home, numbers.must_load(home))
    try:
        if wanted is not None:
            await rendezvous.set_policy(wanted)
        return await rendezvous.policy()
    finally:
        await rendezvous.close()
