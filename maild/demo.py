# SPDX-License-Identifier: Apache-2.0
"""``maild demo``: the whole story told on the screen, with real programs and files."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, Final

import typer
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
)
from rich.text import Text

from maild import children, invitation
from maild.complaint import OperatorError
from maild.mail.plain import amount, short
from maild.mail.transfer import FINAL, State
from maild.operator.console import Records
from maild.playground import ALL_SERVERS, HOST, RENDEZVOUS, SERVERS, Playground, make
from maild.roundabout import Roundabout, closed_way
from maild.screen import Screen
from maild.store import transfers
from maild.store.house import Store
from maild.teller import LOOK, PATIENCE, Teller

RUNNING: Final = {
    False: "Two servers run: a.example and b.example.",
    True: "Three servers run: a.example, b.example and rcs.example, the rendezvous.\n"
    "         Where a.example looks for b.example, nobody listens.",
}
"""What is said once they do: told straight, and with ``--relay``."""
PUSHING: Final = {
    False: "Bob accepts; server a pushes the file to server b.",
    True: "Bob accepts; server a cannot reach b.  Both call r, which joins the calls.",
}
SIZE: Final = 256 * 2**20
"""Octets of the file that is made when none is given."""
PIECE: Final = 4 * 2**20
"""Octets moved per step."""
TOO_SHORT: Final = 0.5
"""Seconds that are no measure of a rate."""


def demo(
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FILE..]", exists=True, dir_okay=False, readable=True),
    ] = None,
    stay: Annotated[
        bool, typer.Option("--stay", help="Keep all running until Ctrl-C.")
    ] = False,
    relay: Annotated[
        bool,
        typer.Option(
            "--relay", help="By numbers, and through a third server: a cannot reach b."
        ),
    ] = False,
) -> None:
    """Tell the whole story with real files.

    Two servers, two people: upload, offer, accept, push, download.  Without FILE a
    random one of 256 MiB.  The exit status is 0 when every file arrived with the
    digest it left with.
    """
    screen = Screen()
    with _scratch() as folder, ExitStack() as held:
        chosen = files or [_random_file(folder, screen)]
        made = make(folder / "playground")
        names = ALL_SERVERS if relay else SERVERS
        configs = [made.folder / f"{name}.toml" for name in names]
        try:
            if relay:
                held.enter_context(closed_way(made))
            with children.running(configs, screen.log_line):
                screen.say(RUNNING[relay])
                story = Story(made, screen, by_relay=relay)
                same = [story.tell(file.absolute()) for file in chosen]
                if stay:
                    _stay(made, screen, names)
        except children.ChildError as error:
            raise OperatorError(str(error), os.EX_SOFTWARE) from error
    if not all(same):
        raise OperatorError("a digest differs", os.EX_DATAERR)


class _AverageRate(ProgressColumn):
    """Octets a second since the beginning; nothing where it is over at once."""

    def render(self, task: Task) -> Text:
        passed = (task.finished_time if task.finished else task.elapsed) or 0
        told = passed > TOO_SHORT
        return Text(f"{amount(int(task.completed / passed))}/s" if told else "")


class Story:
    """Alice sends a file to Bob; each step is the command a person would type."""

    def __init__(self, made: Playground, screen: Screen, *, by_relay: bool) -> None:
        self._made = made
        self._screen = screen
        self._teller = Teller(screen)
        self._alice = made.profile("alice")
        self._bob = made.profile("bob")
        self._bob_address = f"bob@{SERVERS['b']}"
        self._around = Roundabout(made, self._teller) if by_relay else None
        self._known: set[str] = set()
        """Ids of offers and items that have been told of."""

    def tell(self, file: Path) -> bool:
        """Tell it for one file; whether it arrived as it left."""
        size = file.stat().st_size
        self._screen.say(f"{short(file.name)}, {amount(size)}, goes from alice to bob.")
        self._log_in()
        self._screen.say("Alice uploads it to her own server, once.")
        self._teller.loudly(self._alice, "upload", file)
        self._send(file)
        offer = self._teller.eventually(lambda: self._offer(size), "bob's offer")
        self._screen.say("Bob sees the offer; not one octet of the file has moved.")
        self._teller.loudly(self._bob, "offers")
        self._screen.say(PUSHING[self._around is not None])
        self._teller.loudly(self._bob, "accept", offer["id"])
        self._watch_push(offer["id"], size)
        if self._around is not None:
            self._around.look_back(offer["id"])
        item = self._teller.eventually(lambda: self._item(size), "bob's item")
        self._screen.say("Bob downloads it from his own server.")
        target = self._made.folder / f"received-{item['id']}"
        self._teller.loudly(self._bob, "get", item["id"], "-o", target)
        return self._compare(file, target)

    def _log_in(self) -> None:
        with ThreadPoolExecutor() as both:
            list(both.map(self._check_login, (self._alice, self._bob)))
        self._screen.say("Both can log in (SCRAM inside TLS).")
        if self._around is not None and not self._known:
            self._around.log_in()

    def _check_login(self, profile: Path) -> None:
        self._teller.quietly(profile, "ls", "--json")

    def _send(self, file: Path) -> None:
        if self._around is not None:
            self._around.send(file, is_first=not self._known)
            return
        self._screen.say("Alice sends it: a command of a few kilobytes, and an offer.")
        self._teller.loudly(self._alice, "send", file, self._bob_address)

    def _compare(self, file: Path, target: Path) -> bool:
        left, arrived = _sha256(file), _sha256(target)
        target.unlink()
        self._screen.say(
            f"SHA-256 at alice  {left}\n         SHA-256 at bob    {arrived}"
        )
        if left != arrived:
            self._screen.say("They differ.", "bold red")
            return False
        self._screen.say("Equal: bob has what alice sent.", "bold green")
        return True

    def _watch_push(self, offer_id: str, size: int) -> None:
        """Show what server b has acknowledged, as server a's store knows it."""
        bar = Progress(
            TextColumn("a.example -> b.example"),
            BarColumn(),
            DownloadColumn(),
            _AverageRate(),
            console=self._screen.console,
        )
        store = Store(self._made.folder / "a" / "store")
        store.open()
        try:
            with bar:
                task = bar.add_task("push", total=size)
                self._follow(
                    Records(store), offer_id, lambda n: bar.update(task, completed=n)
                )
        finally:
            store.close()

    def _follow(
        self, records: Records, transfer_id: str, moved: Callable[[int], None]
    ) -> None:
        still = 0
        octets = 0
        while still * LOOK < PATIENCE:
            transfer = records.read(transfers.get, transfer_id)
            if transfer.state in FINAL:
                moved(transfer.size)
                if transfer.state is not State.SENT:
                    raise children.ChildError(f"{transfer.state}: {transfer.reply}")
                return
            still = 0 if transfer.octets > octets else still + 1
            octets = transfer.octets
            moved(octets)
            time.sleep(LOOK)
        raise children.ChildError("the push does not move")

    def _offer(self, size: int) -> dict[str, Any] | None:
        return self._new("offers", size)

    def _item(self, size: int) -> dict[str, Any] | None:
        return self._new("ls", size)

    def _new(self, verb: str, size: int) -> dict[str, Any] | None:
        """Return what bob has now and had not before; a name may have been mended."""
        for found in self._teller.quietly(self._bob, verb, "--json"):
            if found["size"] == size and found["id"] not in self._known:
                self._known.add(found["id"])
                return dict(found)
        return None


def _stay(made: Playground, screen: Screen, names: Collection[str]) -> None:
    bob, ports = made.facts()["accounts"]["bob"], made.ports["b"]
    around = ""
    if RENDEZVOUS in names:
        config = made.folder / f"{RENDEZVOUS}.toml"
        offers = f"{invitation.command('maild')} offers ls"
        around = f"  Rendezvous   {offers} --config {config}\n"
    screen.say("All keeps running until Ctrl-C.  Connect as bob:")
    try:
        print(
            f"""
  mutt         mutt -F {made.profile("bob") / "muttrc"}

  Thunderbird  Settings, Certificates, Authorities, Import: {made.ca}
               user     {bob["address"]}
               password {bob["password"]}
               IMAP     {HOST} port {ports["imap"]}, SSL/TLS, normal password
               SMTP     {HOST} port {ports["submission"]}, SSL/TLS, normal password

  mshare       {invitation.terminal(made, "bob")} inbox
  Metrics      http://{HOST}:{ports["http"]}/metrics
{around}  Everything   {made.folder / "playground.json"}
""",
            flush=True,
        )
        while True:
            signal.pause()
    except KeyboardInterrupt:
        print()


@contextmanager
def _scratch() -> Iterator[Path]:
    """Give a directory that is gone afterwards, also after SIGTERM."""

    def leave(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, leave)
    folder = Path(tempfile.mkdtemp(prefix="maild-demo-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        signal.signal(signal.SIGTERM, before)


def _random_file(folder: Path, screen: Screen) -> Path:
    free = shutil.disk_usage(folder).free
    if free < 5 * SIZE:
        raise OperatorError(
            f"{folder.parent} has {amount(free)} free, the story needs "
            f"{amount(5 * SIZE)}; set TMPDIR to another place",
            os.EX_CANTCREAT,
        )
    file = folder / "film.mov"
    with file.open("wb") as output:
        for _ in range(SIZE // PIECE):
            output.write(os.urandom(PIECE))
    screen.say(f"A random file has been made: {amount(SIZE)}.", "")
    return file


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
