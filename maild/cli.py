# SPDX-License-Identifier: Apache-2.0
"""The operator's command, ``maild VERB``: the table of verbs, and exit statuses.

A verb is a function whose docstring is its help.  Results go to stdout, complaints to
stderr; the status is that of sysexits(3).
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from importlib import metadata
from typing import Annotated, Final

import typer

from maild import complaint, demo, invitation
from maild.complaint import OperatorError
from maild.config import STATIONS
from maild.daemon import ENDING
from maild.operator import account, check, checkpoint, offers, queue, storage, story
from maild.operator.console import ConfigOption, configuration

verbs: Final = typer.Typer(
    name="maild",
    help="Files of any size as mail: the server and its operator's verbs.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"maild {metadata.version('maild')}")
        raise typer.Exit


@verbs.callback()
def _everywhere(
    context: typer.Context,
    config: ConfigOption = None,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Say which one."
        ),
    ] = False,
) -> None:
    context.obj = config


@verbs.command()
def serve(
    context: typer.Context,
    only: Annotated[
        str,
        typer.Option(
            metavar="STATION,..",
            help=f"Run only these stations: {', '.join(STATIONS)}.",
        ),
    ] = "",
    config: ConfigOption = None,
) -> None:
    """Run the server in the foreground; SIGTERM ends it cleanly."""
    chosen = [name.strip() for name in only.split(",") if name.strip()]
    for name in chosen:
        if name not in STATIONS:
            known = ", ".join(STATIONS)
            raise OperatorError(f"--only {name}: the stations are {known}", os.EX_USAGE)
    found = configuration(context, config)
    # What only verbs need is megabytes; whoever serves for months is not to hold it.
    # The process stays the same, for systemd and whoever else watches it.
    again = [sys.executable, "-P", "-m", "maild.daemon", str(found.file), *chosen]
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)  # until it knows how to end
    os.execv(sys.executable, again)  # noqa: S606 - no shell, and our own interpreter


verbs.command("check-config")(check.check_config)
verbs.add_typer(account.app, name="account")
verbs.add_typer(queue.app, name="queue")
verbs.add_typer(offers.app, name="offers")
verbs.add_typer(checkpoint.app, name="checkpoint")
verbs.command()(story.trace)
verbs.command()(story.explain)
verbs.command()(storage.fsck)
verbs.command()(storage.gc)
verbs.command()(invitation.playground)
verbs.command()(demo.demo)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb and return its exit status."""
    command = typer.main.get_command(verbs)
    try:
        command.main(arguments, prog_name="maild")
    except SystemExit as ended:
        usage = 2  # what the library says for a command line it does not understand
        return os.EX_USAGE if ended.code == usage else int(ended.code or os.EX_OK)
    except Exception as error:  # noqa: BLE001 - told, or raised again
        return complaint.complain(error)
    return os.EX_OK
