# SPDX-License-Identifier: GPL-3.0-only
"""The command ``mshare VERB``: the table of verbs, and exit statuses.

A verb is a function whose docstring is its help; one verb, one file in ``verbs``.
Results go to stdout, complaints to stderr; the status is that of sysexits(3).
"""

from __future__ import annotations

import io
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from importlib import metadata
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup

from terminal_client import screen
from terminal_client.errors import TerminalError, UnreadError
from terminal_client.naming import shown
from terminal_client.screen import ProfileOption
from terminal_client.verbs import number
from terminal_client.verbs.accept import accept
from terminal_client.verbs.add import add
from terminal_client.verbs.attend import attend
from terminal_client.verbs.cancel import cancel
from terminal_client.verbs.contacts import contacts
from terminal_client.verbs.decline import decline
from terminal_client.verbs.edit import edit
from terminal_client.verbs.explain import explain
from terminal_client.verbs.get import get
from terminal_client.verbs.go import go
from terminal_client.verbs.inbox import inbox
from terminal_client.verbs.login import login
from terminal_client.verbs.logout import logout
from terminal_client.verbs.ls import ls
from terminal_client.verbs.me import me
from terminal_client.verbs.nearby import nearby
from terminal_client.verbs.offers import offers
from terminal_client.verbs.preview import preview
from terminal_client.verbs.put import put
from terminal_client.verbs.requests import requests
from terminal_client.verbs.rm import rm
from terminal_client.verbs.send import send
from terminal_client.verbs.status import status
from terminal_client.verbs.tui import tui
from terminal_client.verbs.upload import upload
from terminal_client.verbs.versions import versions
from terminal_client.verbs.watch import watch


class _Group(TyperGroup):
    """Ends quietly, and always alike, when nobody reads what a verb writes."""

    def invoke(self, ctx: Any) -> Any:
        """Run a verb; Typer would end it with a status of its own."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise UnreadError from None


verbs: Final = typer.Typer(
    name="mshare",
    cls=_Group,
    help="Send a file of any size to a mail address.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

VERBS: Final[tuple[tuple[Callable[..., Any], tuple[str, ...]], ...]] = (
    (
        login,
        (
            "mshare login alice@a.example",
            "mshare --profile bob login bob@b.example --server mail.b.example",
        ),
    ),
    (logout, ("mshare logout",)),
    (
        upload,
        (
            "mshare upload film.mov",
            "mshare upload *.raw --json",
            "mshare upload --live capture.mkv",
        ),
    ),
    (
        watch,
        (
            "mshare watch ~/Videos",
            "mshare watch --install ~/Videos ~/Pictures",
            "mshare watch --once ~/Videos --json",
        ),
    ),
    (ls, ("mshare ls", "mshare ls --json | jq -r '.[].name'")),
    (
        send,
        (
            "mshare send film.mov bob@b.example",
            "mshare send film.mov bob@b.example carol@c.example --note 'as promised'",
            "mshare send 7hqKzWbV Bob --wait",
            "mshare send film.mov '+1 415 555 0102'",
            "mshare send film.mov bob@b.example --confirm --within 2h",
            "mshare send --live capture.mkv bob@b.example",
            "tar c docs | mshare send --live - bob@b.example --name docs.tar",
        ),
    ),
    (go, ("mshare go 4Zx1", "mshare go 4Zx1 --wait")),
    (status, ("mshare status", "mshare status 4Zx1 --watch", "mshare status --json")),
    (cancel, ("mshare cancel 4Zx1",)),
    (offers, ("mshare offers", "mshare offers --json")),
    (requests, ("mshare requests", "mshare requests --json")),
    (
        accept,
        (
            "mshare accept 1",
            "mshare accept 4Zx1 9kPd",
            "mshare accept +14155550101",
        ),
    ),
    (decline, ("mshare decline 1",)),
    (inbox, ("mshare inbox",)),
    (attend, ("mshare attend", "mshare attend --json")),
    (
        get,
        (
            "mshare get film.mov",
            "mshare get 7hqKzWbV -o ~/Videos/",
            "mshare get backup.tar -o - | tar x",
            "mshare get --follow film.mov -o - | mpv -",
            "mshare get notes.txt --version 2",
            "mshare get disk.img --range 0-1048575 -o first.img",
            "mshare get photos.zip --part 2026/harbour.jpg",
        ),
    ),
    (
        preview,
        ("mshare preview photos.zip", "mshare preview film.mov --json | jq .facts"),
    ),
    (tui, ("mshare tui",)),
    (me, ("mshare me --name Bob --qr", "mshare me --svg me.svg")),
    (
        add,
        (
            "mshare add 'maild:bob@b.example?name=Bob'",
            "mshare add bob.svg --name 'Bob from work'",
        ),
    ),
    (contacts, ("mshare contacts", "mshare contacts rm Bob")),
    (nearby, ("mshare nearby --add", "mshare nearby --visible")),
    (
        edit,
        (
            "mshare edit notes.txt",
            "mshare edit photo.tiff --with gimp",
            "mshare edit budget.ods --with 'soffice --nologo' --keep",
        ),
    ),
    (
        put,
        (
            "mshare put draft.pdf 7hqKzWbV",
            "mshare put new.iso debian.iso --base old.iso",
        ),
    ),
    (versions, ("mshare versions notes.txt", "mshare versions 7hqKzWbV --json")),
    (rm, ("mshare rm old.iso", "mshare rm 7hqKzWbV 3c0xPd9k --yes --json")),
    (explain, ("mshare explain 5.7.1", "mshare explain 550 5.1.1 no such account")),
)
"""Each verb with its examples, in the order of a first day."""


def _print_version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"mshare {metadata.version('maild')}\n")
        raise typer.Exit


@verbs.callback()
def _everywhere(
    context: typer.Context,
    named: ProfileOption = None,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Say which one."
        ),
    ] = False,
) -> None:
    context.obj = named


for _verb, _examples in VERBS:
    _lines = "\n".join(f"  {example}" for example in _examples)
    verbs.command(_verb.__name__, epilog=f"\b\nExamples:\n{_lines}")(_verb)


verbs.add_typer(number.app, name="number")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb and return its exit status."""
    command = typer.main.get_command(verbs)
    _prepare_streams()
    screen.clean_logs()
    try:
        command.main(arguments, prog_name="mshare")
    except SystemExit as ended:
        usage = 2  # what the library says for a command line it does not understand
        return os.EX_USAGE if ended.code == usage else int(ended.code or os.EX_OK)
    except UnreadError as error:
        # Whoever read our output has gone; do not fail again while closing it.
        _discard_output()
        return error.status
    except TerminalError as error:
        return _complain(str(error), error.status)
    except OSError as error:
        _discard_output()
        return _complain(
            f"input or output failed: {(error.strerror or str(error)).lower()}",
            os.EX_IOERR,
        )
    except Exception as error:  # noqa: BLE001 # a bug: one sentence, and how to see more
        if screen.is_debugging():
            screen.remark(screen.printable(traceback.format_exc()))
        return _complain(
            f"this is a bug: {type(error).__name__}: {shown(str(error))}; "
            "run it again with MSHARE_DEBUG=1 and report what you see",
            os.EX_SOFTWARE,
        )
    return os.EX_OK


def _prepare_streams() -> None:
    """Give a place to streams that were closed; let no file name stop a message."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:  # else the next file or socket that is opened takes its number
            os.open(os.devnull, os.O_RDWR)
    sys.stdin = sys.stdin or open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 # a descriptor, kept to the end
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            stream = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123 # kept to the end
            setattr(sys, name, stream)
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _discard_output() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _complain(sentence: str, status: int) -> int:
    sys.stderr.write(f"mshare: {sentence}\n")
    return status
