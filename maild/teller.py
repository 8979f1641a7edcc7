# SPDX-License-Identifier: Apache-2.0
"""What the people of a demonstration type, and what is waited for in between."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

from rich.text import Text

from maild import children
from maild.screen import Screen

T = TypeVar("T")

PATIENCE: Final = 60.0
"""Seconds to wait for something that a healthy server does at once."""
LOOK: Final = 0.1
"""Seconds between two looks."""


class Teller:
    """Runs the terminals of a story, and shows what is typed."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen

    def say(self, sentence: str, style: str = "bold") -> None:
        """Tell what happens next."""
        self._screen.say(sentence, style)

    def quietly(self, profile: Path, *words: str) -> Any:
        """Run a command nobody sees; return its JSON."""
        return json.loads(children.terminal_output(profile, *words))

    def loudly(self, profile: Path, *words: str | Path, stdin: str = "") -> None:
        """Show a command and run it, so that a person sees what it says."""
        self._show(profile, words)
        children.terminal(profile, *words, stdin=stdin)

    @contextmanager
    def beside(
        self, profile: Path, *words: str | Path
    ) -> Iterator[subprocess.Popen[bytes]]:
        """Show a command and run it while other things happen."""
        self._show(profile, words)
        with children.terminal_beside(profile, *words) as process:
            yield process

    def _show(self, profile: Path, words: Sequence[str | Path]) -> None:
        shown = " ".join(str(w) for w in words)
        prompt = f"$ mshare --profile {profile.name} {shown}"
        self._screen.console.print(Text(prompt, style="cyan"), soft_wrap=True)

    def eventually(self, look: Callable[[], T | None], what: str) -> T:
        """Return the first answer of ``look``; `ChildError` when none comes."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            found = look()
            if found is not None:
                return found
            time.sleep(LOOK)
        raise children.ChildError(f"{what} did not come")
