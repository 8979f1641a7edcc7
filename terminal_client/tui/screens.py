# SPDX-License-Identifier: GPL-3.0-only
"""What is laid over the tables: help, a look into an item, a question."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

HELP = """\
mshare tui: what others offer you, what you hold, what you send

  1 2 3      offers, items, transfers (or Tab and the arrow keys)
  up, down   choose a line; what is chosen is told below
  a          accept the offer: its content begins to come
  d          decline the offer
  g          get the item into the folder where you started mshare
  p          preview: look into the item without getting it
  x          cancel the transfer, or the download of the item
  ?          this help; Escape closes it
  q          leave; downloads stop, and go on with the next g

Everything here can also be done by commands that need no screen:
mshare offers, accept, decline, ls, get, preview, status, cancel
"""


class Page(ModalScreen[None]):
    """Text over everything else; any of a few keys closes it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        ("escape,q,enter,question_mark", "dismiss", "close"),
    ]
    DEFAULT_CSS = """
    Page { align: center middle; }
    Page VerticalScroll {
        width: 78; max-width: 100%; height: auto; max-height: 100%;
        border: solid $foreground; padding: 0 1; background: $surface;
    }
    """

    def __init__(self, *texts: Text) -> None:
        super().__init__()
        self._texts = texts

    def compose(self) -> ComposeResult:
        """Show the texts one below the other."""
        with VerticalScroll():
            for text in self._texts:
                yield Static(text)


class Question(ModalScreen[bool]):
    """Asks before something that cannot be taken back."""

    BINDINGS: ClassVar[list[BindingType]] = [
        ("y", "answer(True)", "yes"),
        ("n,escape,q", "answer(False)", "no"),
    ]
    DEFAULT_CSS = """
    Question { align: center middle; }
    Question Static {
        width: auto; max-width: 76; height: auto;
        border: solid $foreground; padding: 0 1; background: $surface;
    }
    """

    def __init__(self, question: str) -> None:
        super().__init__()
        self._question = question

    def compose(self) -> ComposeResult:
        """Show the question and its keys."""
        yield Static(Text(f"{self._question}\n\ny yes    n no"))

    def action_answer(self, answer: bool) -> None:
        """Close with what was answered."""
        self.dismiss(answer)
