# SPDX-License-Identifier: GPL-3.0-only
"""The screen, played by a pilot against an account that is made up."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from PIL import Image
from textual.pilot import Pilot
from textual.widgets import DataTable, Static, TabbedContent

from maild.mail.address import parse_address
from maild.mail.offer import Offer
from maild.mail.transfer import State
from terminal_client.browsing import Preview, Wish
from terminal_client.errors import NotAllowedError, TerminalError, UnavailableError
from terminal_client.library import Item
from terminal_client.looking.seen import Facts, Kind, Seen
from terminal_client.offers import Waiting
from terminal_client.overview import Overview
from terminal_client.terminal import Terminal
from terminal_client.transfers import Transfer
from terminal_client.tui.desk import Desk
from terminal_client.tui.screens import Page

SMALL = (80, 24)


def waiting(id_: str = "offer001", name: str = "film.mov") -> Waiting:
    offer = Offer(
        id=id_,
        nonce="0" * 32,
        sender=parse_address("alice@a.example"),
        recipient=parse_address("bob@b.example"),
        name=name,
        type="video/quicktime",
        size=3_000_000,
        sha256=None,
        created=1_790_000_000,
        expires=2**34,
        home="a.example",
        trace="t1",
        note="as \x1b[31mpromised",
    )
    return Waiting(1, 5, offer)


ITEM = Item(
    "item0001", 7, "2", "photo.png", "image/png", 5000, None, False,
    "alice@a.example", datetime(2026, 2, 3, tzinfo=UTC),
)  # fmt: skip
SENT = Transfer(
    "sent0001",
    3,
    State.TRANSFERRING,
    "carol@c.example",
    "slow.iso",
    400,
    1000,
    rate=100,
)
FULL = Overview((waiting(),), (ITEM,), (SENT,))


class Account:
    """Stands in for a `Terminal`; what is asked of it is kept in ``deeds``."""

    def __init__(self, now: Overview = FULL) -> None:
        self.profile = SimpleNamespace(address="bob@b.example")
        self.deeds: list[tuple[Any, ...]] = []
        self.refusal: TerminalError | None = None
        self.go_on = asyncio.Event()
        self._states: asyncio.Queue[Overview | TerminalError] = asyncio.Queue()
        self.show(now)

    def show(self, now: Overview | TerminalError) -> None:
        """Let the server tell this next."""
        self._states.put_nowait(now)

    async def overview(self) -> AsyncIterator[Overview]:
        while True:
            now = await self._states.get()
            if isinstance(now, TerminalError):
                raise now
            yield now

    def _do(self, *deed: Any) -> None:
        if deed[0] != "thumbnail":
            self.deeds.append(deed)
        if self.refusal is not None:
            raise self.refusal

    async def decide(self, names: Iterable[str], *, accepted: bool) -> None:
        self._do("decide", *names, accepted)

    async def cancel(self, name: str) -> None:
        self._do("cancel", name)

    async def preview(self, item: Item, wish: Wish) -> Preview:
        self._do("preview", item.id)
        seen = Seen(Kind.IMAGE, "PNG", Facts(width=8, height=8))
        return Preview(item, seen, 100, picture())

    async def thumbnail(self, thing: Item | Waiting) -> bytes:
        self._do("thumbnail", thing.id)
        return picture()

    async def get(self, item: str, folder: Path, *, progress: Any) -> Path:
        self._do("get", item)
        progress(2500, 5000)
        await self.go_on.wait()
        progress(5000, 5000)
        return folder / "photo.png"


def picture() -> bytes:
    place = io.BytesIO()
    Image.new("RGB", (8, 8), (9, 8, 7)).save(place, "PNG")
    return place.getvalue()


@asynccontextmanager
async def shown(account: Account) -> AsyncIterator[tuple[Desk, Pilot[None]]]:
    @asynccontextmanager
    async def another() -> AsyncIterator[Terminal]:
        yield cast(Terminal, account)

    desk = Desk(cast(Terminal, account), another, Path("/here"))
    async with desk.run_test(size=SMALL) as pilot:
        await pilot.pause()
        yield desk, pilot


def cells(desk: Desk, table: str) -> list[list[str]]:
    found = desk.query_one(f"#{table}", DataTable)
    return [[c.plain for c in found.get_row(key)] for key in found.rows]


def text(desk: Desk, name: str) -> str:
    return str(desk.query_one(f"#{name}", Static).render())


async def settle(pilot: Pilot[None], group: str = "deed") -> None:
    await pilot.pause()
    deeds = [worker for worker in pilot.app.workers if worker.group == group]
    if deeds:
        await pilot.app.workers.wait_for_complete(deeds)
    await pilot.pause()


def notes(desk: Desk) -> list[str]:
    return [note.message for note in desk._notifications]


async def test_everything_is_shown_on_a_small_screen() -> None:
    async with shown(Account()) as (desk, pilot):
        assert cells(desk, "offers")[0][:3] == ["film.mov", "3.0 MB", "alice@a.example"]
        assert text(desk, "head") == "bob@b.example  connected"
        assert "as \ufffd[31mpromised" in text(desk, "about")
        await pilot.press("2")
        assert cells(desk, "items") == [["photo.png", "5.0 kB", "alice@a.example", ""]]
        assert "id item0001" in text(desk, "about")
        await pilot.press("3")
        progress = "[###.....]  40 %"
        sent = ["slow.iso", "carol@c.example", "transferring", progress]
        assert cells(desk, "transfers") == [sent]
        assert "400 octets of 1.0 kB" in text(desk, "about")
        assert "100 octets/s, 6 s to go" in text(desk, "about")


async def test_what_is_chosen_is_pictured() -> None:
    async with shown(Account()) as (desk, pilot):
        await settle(pilot, "picture")
        assert text(desk, "picture") == "\n".join(["▀" * 8] * 4)
        await pilot.press("3")
        await pilot.pause()
        assert text(desk, "picture") == ""


async def test_offers_are_decided_by_a_key() -> None:
    account = Account(replace(FULL, offers=(waiting(), waiting("offer002"))))
    async with shown(account) as (desk, pilot):
        await pilot.press("a")
        await settle(pilot)
        account.show(replace(FULL, offers=(waiting(),)))
        await pilot.pause()
        await pilot.press("d")
        await settle(pilot)
        # The newest stands first.
        assert account.deeds == [
            ("decide", "offer002", True),
            ("decide", "offer001", False),
        ]
        assert notes(desk) == ["accepted: film.mov", "declined: film.mov"]


async def test_a_refusal_is_told() -> None:
    account = Account()
    account.refusal = NotAllowedError("too late")
    async with shown(account) as (desk, pilot):
        await pilot.press("a")
        await settle(pilot)
        assert notes(desk) == ["too late"]
        assert desk.is_running


async def test_a_key_that_fits_nothing_says_so() -> None:
    account = Account(Overview())
    async with shown(account) as (desk, pilot):
        assert text(desk, "about") == "nothing here"
        await pilot.press("a", "g", "p", "x")
        await settle(pilot)
        assert account.deeds == []
        assert len(notes(desk)) == 4


async def test_an_item_is_got_with_a_bar() -> None:
    account = Account()
    async with shown(account) as (desk, pilot):
        await pilot.press("2", "g", "g")
        await pilot.pause()
        assert cells(desk, "items")[0][3] == "get [####....]  50 %"
        account.go_on.set()
        await pilot.pause()
        await pilot.pause()
        assert cells(desk, "items")[0][3] == "here"
        assert "it is here: /here/photo.png" in text(desk, "about")
        assert account.deeds == [("get", "item0001")]


async def test_a_download_is_stopped() -> None:
    async with shown(Account()) as (desk, pilot):
        await pilot.press("2", "g")
        await pilot.pause()
        await pilot.press("x")
        await settle(pilot)
        await pilot.pause()
        assert cells(desk, "items")[0][3] == "not got"
        assert "goes on where it was" in text(desk, "about")


async def test_a_transfer_is_cancelled_after_a_question() -> None:
    account = Account()
    async with shown(account) as (desk, pilot):
        await pilot.press("3", "x")
        await pilot.pause()
        await pilot.press("n")
        await settle(pilot)
        assert account.deeds == []
        await pilot.press("x")
        await pilot.pause()
        await pilot.press("y")
        await settle(pilot)
        assert account.deeds == [("cancel", "sent0001")]
        assert notes(desk) == ["cancelled: slow.iso to carol@c.example"]


async def test_an_item_is_looked_into() -> None:
    account = Account()
    async with shown(account) as (desk, pilot):
        await pilot.press("2", "p")
        await settle(pilot)
        assert isinstance(desk.screen, Page)
        said = "\n".join(str(s.render()) for s in desk.screen.query(Static))
        assert "image (PNG), 5.0 kB, 8 x 8 pixels" in said
        assert "▀" in said
        await pilot.press("escape")
        assert not isinstance(desk.screen, Page)


async def test_help_is_shown_and_closed() -> None:
    async with shown(Account()) as (desk, pilot):
        await pilot.press("question_mark")
        await pilot.pause()
        assert "accept the offer" in str(desk.screen.query_one(Static).render())
        await pilot.press("q")
        await pilot.pause()
        assert desk.is_running
        await pilot.press("q")
        await pilot.pause()
        assert desk.failure is None


async def test_what_changes_is_shown_and_the_choice_stays() -> None:
    first, second = replace(ITEM, id="one00001"), replace(ITEM, id="two00002")
    account = Account(replace(FULL, items=(first, second)))
    async with shown(account) as (desk, pilot):
        await pilot.press("2", "down")
        assert "id one00001" in text(desk, "about")
        third = replace(ITEM, id="three003", arriving=True, arrived=1000)
        account.show(replace(FULL, items=(first, second, third)))
        await pilot.pause()
        await pilot.pause()
        assert "id one00001" in text(desk, "about")
        assert cells(desk, "items")[0][3] == "arriving [#.......]  20 %"
        grown = replace(third, arrived=2500)
        account.show(replace(FULL, items=(first, second, grown)))
        await pilot.pause()
        assert cells(desk, "items")[0][3] == "arriving [####....]  50 %"


async def test_a_lost_connection_is_shown() -> None:
    account = Account()
    async with shown(account) as (desk, pilot):
        account.show(replace(FULL, trouble="the server went away"))
        await pilot.pause()
        assert "not connected: the server went away" in text(desk, "head")
        assert len(cells(desk, "items")) == 1
        account.show(FULL)
        await pilot.pause()
        assert text(desk, "head").endswith("connected")


async def test_what_waiting_cannot_cure_ends_it() -> None:
    account = Account()
    async with shown(account) as (desk, pilot):
        account.show(UnavailableError("wrong password"))
        await pilot.pause()
        await pilot.pause()
        assert str(desk.failure) == "wrong password"


async def test_tables_come_to_the_front_by_keys() -> None:
    async with shown(Account()) as (desk, pilot):
        for key, name in (("2", "items"), ("3", "transfers"), ("1", "offers")):
            await pilot.press(key)
            await pilot.pause()
            assert desk.query_one(TabbedContent).active == f"pane-{name}"
            assert desk.focused is desk.query_one(f"#{name}")


async def test_who_quits_while_it_connects_sees_no_traceback() -> None:
    account = Account(Overview(trouble="connecting"))
    async with shown(account) as (desk, pilot):
        await desk.query_one(TabbedContent).remove()  # as quitting does, meanwhile
        account.show(FULL)
        await pilot.pause()
        desk.on_mount()
        await pilot.pause()
        assert desk.is_running
        assert desk.failure is None
