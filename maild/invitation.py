# SPDX-License-Identifier: Apache-2.0
"""``maild playground DIR``: writes one, and says how to start and use it."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from maild.playground import (
    NUMBERS,
    PEOPLE,
    RENDEZVOUS,
    SERVERS,
    Playground,
    make,
    number_login,
)


def playground(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="New or empty.")],
    base_port: Annotated[
        int | None,
        typer.Option(
            min=1024,
            max=65524,
            metavar="PORT",
            help="First of 12 ports (default: free ones).",
        ),
    ] = None,
) -> None:
    """Write two servers and a rendezvous on loopback, ready to start.

    With a CA and certificates, accounts with random passwords, and the profiles of
    their terminals.  Nothing is started.
    """
    made = make(folder, base_port)
    print(f"{made.folder} holds two servers and {len(PEOPLE)} accounts:")
    for name, facts in made.facts()["accounts"].items():
        print(f"  {name:6} {facts['address']:16} password {facts['password']}")
    print("Start the servers, each in a terminal of its own:")
    for name in SERVERS:
        print(f"  {_serve(made, name)}")
    print("Then send a file:")
    print(f"  {terminal(made, 'alice')} send FILE bob@b.example")
    print(f"  {terminal(made, 'bob')} offers")
    _print_numbers(made)
    print(f"All of it again, for programs: {made.folder / 'playground.json'}")


def _print_numbers(made: Playground) -> None:
    print("For those who know numbers only: start the rendezvous, log in there, send.")
    print(f"  {_serve(made, RENDEZVOUS)}")
    for name in PEOPLE:
        print(f"  {terminal(made, name)} {shlex.join(number_login(made, name))}")
        print(f"    with the password {made.number_passwords[name]}")
    print(f"  {terminal(made, 'alice')} send FILE {NUMBERS['bob']}")
    print(f"  {terminal(made, 'bob')} accept {NUMBERS['alice']}")


def _serve(made: Playground, server: str) -> str:
    file = shlex.quote(str(made.folder / f"{server}.toml"))
    return f"{command('maild')} serve --config {file}"


def terminal(made: Playground, name: str) -> str:
    """Return how a person's terminal is called."""
    return f"{command('mshare')} --profile {shlex.quote(str(made.profile(name)))}"


def command(name: str) -> str:
    """Return how a program of ours is typed here: by its path if no PATH has it."""
    beside = Path(sys.executable).with_name(name)
    if shutil.which(name) is None and beside.exists():
        return shlex.quote(str(beside))
    return name
