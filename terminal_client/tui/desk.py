# SPDX-License-Identifier: GPL-3.0-only
"""The screen: three tables, what is chosen in them, and what can be done with it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual import work
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.css.query import NoMatches
from textual.widgets import DataTable, Footer, Static, TabbedContent, TabPane

from terminal_client import pictures
from terminal_client.browsing import Wish
from terminal_client.errors import TerminalError
from terminal_client.library import Item
from terminal_client.naming import shown
from terminal_client.offers import Waiting
from terminal_client.overview import Overview
from terminal_client.terminal import Terminal
from terminal_client.transfers import Transfer
from terminal_client.tui import about, rows
from terminal_client.tui.downloads import Downloads
from terminal_client.tui.screens import HELP, Page, Question

OFFERS, ITEMS, TRANSFERS = "offers", "items", "transfers"
_COLUMNS = {OFFERS: rows.OFFERS, ITEMS: rows.ITEMS, TRANSFERS: rows.TRANSFERS}
PICTURE = (24, 8)
"""Characters of a picture beside what is told: columns and rows."""
MOST_PICTURES = 200
"""Pictures that are kept, drawn."""
REST = 0.15
"""Seconds that a line is chosen before its picture is asked for."""

Thing = Waiting | Item | Transfer
Opened = Callable[[], AbstractAsyncContextManager[Terminal]]
"""Opens one more terminal of the same account: each download has its own."""


class Desk(App[None]):
    """Offers, items and transfers of one account, kept up to date."""

    TITLE = "mshare"
    ENABLE_COMMAND_PALETTE = False
    CSS_PATH = "desk.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("1", f"show('{OFFERS}')", "offers", show=False),
        Binding("2", f"show('{ITEMS}')", "items", show=False),
        Binding("3", f"show('{TRANSFERS}')", "transfers", show=False),
        ("a", "accept", "accept"),
        ("d", "decline", "decline"),
        ("g", "get", "get"),
        ("p", "preview", "preview"),
        ("x", "cancel", "cancel"),
        ("question_mark", "help", "help"),
        ("q", "quit", "quit"),
        Binding("ctrl+c", "quit", show=False, priority=True),
    ]

    def __init__(self, terminal: Terminal, another: Opened, folder: Path) -> None:
        super().__init__()
        self._terminal = terminal
        self._account = str(terminal.profile.address)
        self._downloads = Downloads(another, folder, self._fetched)
        self._now = Overview(trouble="connecting")
        self._rows: dict[str, dict[str, rows.Row]] = {}
        self._pictures: dict[str, Text] = {}
        self._pictured = ""
        self.failure: TerminalError | None = None
        """Why it ended, when nobody had it end."""

    def compose(self) -> ComposeResult:
        """Lay out the screen."""
        yield Static(id="head", markup=False)
        with TabbedContent():
            for name, columns in _COLUMNS.items():
                with TabPane(name, id=f"pane-{name}"):
                    table: DataTable[str] = DataTable(id=name, cursor_type="row")
                    table.add_columns(*((c, c) for c in columns))
                    yield table
        with Horizontal(id="below"):
            yield Static(id="picture")
            yield Static(id="about", markup=False)
        yield Footer()

    def on_mount(self) -> None:
        """Begin to watch the account."""
        with suppress(NoMatches):  # already quit
            self._tell_head()
            self.query_one(f"#{OFFERS}").focus()
        self._watch()

    async def on_unmount(self) -> None:
        """Stop what still moves; the next time it goes on where it was."""
        await self._downloads.stop()

    @work(exclusive=True, group="watch")
    async def _watch(self) -> None:
        try:
            async for now in self._terminal.overview():
                self._now = now
                with suppress(NoMatches):  # who quits has taken the screen away
                    self._refresh()
        except TerminalError as error:
            self.failure = error
            self.exit()

    # What is shown

    def _refresh(self) -> None:
        now = self._now
        self._tell_head()
        self._fill(OFFERS, [(w.id, rows.offer(w)) for w in now.offers])
        found = [(i.id, rows.item(i, self._downloads.of(i.id))) for i in now.items]
        self._fill(ITEMS, found)
        self._fill(TRANSFERS, [(t.id, rows.transfer(t)) for t in now.transfers])
        self._tell_chosen()

    def _tell_head(self) -> None:
        counts = {
            OFFERS: len(self._now.offers),
            ITEMS: len(self._now.items),
            TRANSFERS: sum(not t.is_final for t in self._now.transfers),
        }
        for name, count in counts.items():
            label = f"{name} ({count})" if count else name
            self.query_one(TabbedContent).get_tab(f"pane-{name}").label = label
        trouble = shown(self._now.trouble)
        state = f"not connected: {trouble}" if trouble else "connected"
        self.query_one("#head", Static).update(f"{self._account}  {state}")

    def _fill(self, name: str, found: Sequence[tuple[str, rows.Row]]) -> None:
        """Show rows, newest first; what has not changed is left alone."""
        table = self.query_one(f"#{name}", DataTable)
        wanted, before = dict(reversed(found)), self._rows.get(name, {})
        self._rows[name] = wanted
        if list(before) == list(wanted):
            for key, row in wanted.items():
                for column, cell in zip(_COLUMNS[name], row, strict=True):
                    if row != before[key]:
                        table.update_cell(key, column, Text(cell), update_width=True)
            return
        chosen = self._key(name)
        table.clear()
        for key, row in wanted.items():
            table.add_row(*map(Text, row), key=key)
        if chosen in wanted:
            table.move_cursor(row=table.get_row_index(chosen))

    def _key(self, name: str) -> str:
        """Return the id in the chosen row of a table, or ""."""
        table = self.query_one(f"#{name}", DataTable)
        if not table.is_valid_coordinate(table.cursor_coordinate):
            return ""
        return str(table.coordinate_to_cell_key(table.cursor_coordinate).row_key.value)

    def _chosen(self) -> Thing | None:
        """Return what the chosen row of the table in front stands for."""
        name = self._front
        things: dict[str, Sequence[Thing]] = {
            OFFERS: self._now.offers,
            ITEMS: self._now.items,
            TRANSFERS: self._now.transfers,
        }
        key = self._key(name)
        return next((thing for thing in things[name] if thing.id == key), None)

    @property
    def _front(self) -> str:
        return self.query_one(TabbedContent).active.removeprefix("pane-") or OFFERS

    def _tell_chosen(self) -> None:
        thing, said = self._chosen(), "nothing here"
        match thing:
            case Waiting():
                said = about.offer(thing)
            case Item():
                said = about.item(thing, self._downloads.of(thing.id))
            case Transfer():
                said = about.transfer(thing)
            case None:
                pass
        self.query_one("#about", Static).update(said)
        self._show_picture(thing)

    def _show_picture(self, thing: Thing | None) -> None:
        """Show the small picture of what is chosen, once it is known."""
        place = self.query_one("#picture", Static)
        known = isinstance(thing, Waiting | Item) and not self.no_color
        key = f"{type(thing).__name__} {thing.id}" if thing and known else ""
        if key == self._pictured:
            return
        self._pictured = key
        place.update(self._pictures.get(key, ""))
        if key and key not in self._pictures and isinstance(thing, Waiting | Item):
            self._look_for_picture(key, thing)

    @work(group="picture")
    async def _look_for_picture(self, key: str, thing: Waiting | Item) -> None:
        await asyncio.sleep(REST)
        if self._pictured != key:  # who runs through a list looks at nothing
            return
        try:
            image = await self._terminal.thumbnail(thing)
        except TerminalError:
            self._pictured = ""  # a connection was lost: the next look asks again
            return
        pixels = await asyncio.to_thread(pictures.decoded, image or b"", *PICTURE)
        if len(self._pictures) >= MOST_PICTURES:
            self._pictures.clear()
        self._pictures[key] = pictures.drawn(pixels) if pixels else Text()
        for place in self.query("#picture").results(Static):  # none: already quit
            if self._pictured == key:
                place.update(self._pictures[key])

    def _fetched(self, item: str) -> None:
        """Show that a download has moved, or ended."""
        if self.is_running:
            self._refresh()

    def on_data_table_row_highlighted(self) -> None:
        """Tell of what was chosen."""
        self._tell_chosen()

    def on_tabbed_content_tab_activated(self) -> None:
        """Go to the table that has come to the front."""
        self.query_one(f"#{self._front}").focus()
        self._tell_chosen()

    # What can be done

    def action_show(self, name: str) -> None:
        """Bring a table to the front."""
        self.query_one(TabbedContent).active = f"pane-{name}"

    def action_help(self) -> None:
        """Show the keys."""
        self.push_screen(Page(Text(HELP)))

    def action_accept(self) -> None:
        """Accept the chosen offer."""
        self._decide(accepted=True)

    def action_decline(self) -> None:
        """Decline the chosen offer."""
        self._decide(accepted=False)

    @work(group="deed")
    async def _decide(self, *, accepted: bool) -> None:
        thing = self._chosen()
        if not isinstance(thing, Waiting):
            self._say("choose an offer first (key 1)")
            return
        try:
            await self._terminal.decide([thing.id], accepted=accepted)
        except TerminalError as error:
            self._complain(error)
            return
        self._say(f"{'accepted' if accepted else 'declined'}: {thing.offer.name}")

    def action_get(self) -> None:
        """Get the chosen item."""
        thing = self._chosen()
        if not isinstance(thing, Item):
            self._say("choose an item first (key 2)")
            return
        self._downloads.begin(thing)

    @work(group="deed")
    async def action_preview(self) -> None:
        """Look into the chosen item."""
        thing = self._chosen()
        if not isinstance(thing, Item):
            self._say("choose an item first (key 2)")
            return
        try:
            found = await self._terminal.preview(thing, Wish(picture=True))
        except TerminalError as error:
            self._complain(error)
            return
        texts = [about.preview(found)]
        if found.picture is not None and not self.no_color:
            pixels = await asyncio.to_thread(pictures.decoded, found.picture)
            texts += [pictures.drawn(pixels)] if pixels else []
        self.push_screen(Page(*texts))

    @work(group="deed")
    async def action_cancel(self) -> None:
        """Take the chosen transfer back, or stop the download of the chosen item."""
        thing = self._chosen()
        if isinstance(thing, Item) and self._downloads.cancel(thing.id):
            return
        if not isinstance(thing, Transfer) or thing.is_final:
            self._say("choose a transfer that is under way (key 3), or a download")
            return
        what = f"{shown(thing.name)} to {shown(thing.recipient)}"
        if not await self.push_screen_wait(Question(f"Cancel {what}?")):
            return
        try:
            await self._terminal.cancel(thing.id)
        except TerminalError as error:
            self._complain(error)
            return
        self._say(f"cancelled: {what}")

    def _say(self, text: str) -> None:
        self.notify(shown(text), markup=False)

    def _complain(self, error: TerminalError) -> None:
        self.notify(shown(str(error)), severity="error", markup=False)
