# SPDX-License-Identifier: Apache-2.0
"""What every operator's verb shares: the configuration, the store, output, statuses.

Results go to stdout, complaints to stderr; the exit status is that of sysexits(3).
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Concatenate, ParamSpec, TypeVar

import typer
from rich.console import Console
from rich.text import Text

from maild import config
from maild.complaint import OperatorError
from maild.mail.plain import json_text
from maild.operator import table
from maild.store.house import Store
from maild.store.index import Tx

P = ParamSpec("P")
T = TypeVar("T")

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help=f"Configuration file (default: $MAILD_CONFIG or {config.DEFAULT_FILE}).",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def keep_config(context: typer.Context, file: ConfigOption = None) -> None:
    """Let ``--config`` stand before the verb too."""
    if file is not None:
        context.obj = file


def configuration(context: typer.Context, file: Path | None) -> config.Configuration:
    """Read the file named nearest to the verb, else $MAILD_CONFIG, else the usual."""
    named = file or context.obj or os.environ.get("MAILD_CONFIG")
    return config.load(Path(named) if named else config.DEFAULT_FILE)


class Records:
    """The store of a configuration, for verbs: every job waits for its result."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def read(
        self, job: Callable[Concatenate[Tx, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run a reading job."""
        return self.store.index.read_here(job, *args, **kwargs)

    def write(
        self, job: Callable[Concatenate[Tx, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run a writing job; it is on the device when this returns."""
        done: Future[T] = self.store.index.submit(job, *args, **kwargs)
        return done.result()


@contextmanager
def opened(
    settings: config.ServerSettings, *, create: bool = False
) -> Iterator[Records]:
    """Open the store beside a running daemon, as the user who owns it."""
    root = Path(settings.store)
    if not create and not (root / "index.sqlite").exists():
        raise OperatorError(f"{root}: there is no store yet", os.EX_NOINPUT)
    if root.exists():
        _become_owner(root)
    store = Store(root)
    try:
        store.open()
    except OSError as error:
        raise OperatorError(f"{root}: {error.strerror}", os.EX_NOPERM) from error
    try:
        yield Records(store)
    finally:
        store.close()


def _become_owner(root: Path) -> None:
    """Give up root: the daemon must be able to write whatever a verb makes there."""
    owner = root.stat()
    if os.geteuid() != 0 or owner.st_uid == 0:
        return
    try:
        os.initgroups(pwd.getpwuid(owner.st_uid).pw_name, owner.st_gid)
    except KeyError:  # a dynamic user that is not running
        os.setgroups([])
    os.setgid(owner.st_gid)
    os.setuid(owner.st_uid)


def show(
    records: Sequence[Mapping[str, Any]], columns: Sequence[str], *, as_json: bool
) -> None:
    """Print records as a table of ``columns``, or all they hold as JSON."""
    if as_json:
        show_json(list(records))
        return
    width = output().width if output().is_terminal else None
    for line in table.lines(records, columns, width):
        print(line)


def show_one(record: Mapping[str, Any], *, as_json: bool) -> None:
    """Print one record, a line for each fact."""
    if as_json:
        show_json(record)
        return
    width = max(map(len, record))
    for name, value in record.items():
        output().print(Text(f"{name:<{width}}  {table.text(value)}"), soft_wrap=True)


def show_json(value: object) -> None:
    """Print JSON."""
    print(json_text(value, 1))


def output() -> Console:
    """Return stdout; as wide as it takes when it is not a terminal."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = table.WIDEST
    return console


def moment(seconds: float | None) -> str | None:
    """Return Unix seconds as RFC 3339 in UTC."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
