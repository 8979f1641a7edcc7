# SPDX-License-Identifier: GPL-3.0-only
"""Images in a terminal: each character shows two pixels, one above the other."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass

from rich.color import Color
from rich.console import Console
from rich.style import Style
from rich.text import Text

from terminal_client.looking.decoder import OCTETS

COLUMNS, ROWS = 48, 16
"""Characters that a picture takes at most: half of a terminal of 80 by 24."""
PATIENCE = 10.0
"""Seconds after which a decoder is given up."""


@dataclass(frozen=True, slots=True)
class Pixels:
    """A small picture; ``octets`` are RGB, row by row."""

    width: int
    height: int
    octets: bytes

    def colour(self, x: int, y: int) -> Color | None:
        """Return the colour of a pixel; None below the last row."""
        if y >= self.height:
            return None
        at = 3 * (y * self.width + x)
        return Color.from_rgb(*self.octets[at : at + 3])


def decoded(image: bytes, columns: int = COLUMNS, rows: int = ROWS) -> Pixels | None:
    """Decode an image file of a stranger, small enough for so many characters.

    Done in a limited process; None for what it cannot, or must not, decode.  Waits for
    that process, so call it in a thread.
    """
    if not image or len(image) > OCTETS:
        return None
    width, height = columns, 2 * rows
    words = [sys.executable, "-I", "-m", "terminal_client.looking.decoder"]
    try:
        done = subprocess.run(  # noqa: S603 # our own module; only numbers are added
            [*words, str(width), str(height)],
            input=image,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=PATIENCE,
            check=True,
            env={},
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return _read(done.stdout, width, height)


def _read(answer: bytes, width: int, height: int) -> Pixels | None:
    """Take what the process says only if it can be true."""
    head, _, octets = answer.partition(b"\n")
    numbers = head.split()
    if len(numbers) != 2 or not all(n.isdigit() and len(n) < 6 for n in numbers):
        return None
    found = Pixels(int(numbers[0]), int(numbers[1]), octets)
    fits = 0 < found.width <= width and 0 < found.height <= height
    return found if fits and len(octets) == 3 * found.width * found.height else None


def drawn(pixels: Pixels) -> Text:
    """Return a picture as text with colours."""
    text = Text(no_wrap=True, end="")
    for row in range(0, pixels.height, 2):
        if row:
            text.append("\n")
        for x in range(pixels.width):
            upper, lower = pixels.colour(x, row), pixels.colour(x, row + 1)
            text.append("▀", Style(color=upper, bgcolor=lower))
    return text


def shows_colours() -> bool:
    """Say whether stdout is a terminal with colours, and NO_COLOR is not set."""
    console = Console()
    # Rich takes the colours away for NO_COLOR; what is left would be a grey field.
    return console.is_terminal and console.color_system is not None


def draw(image: bytes) -> None:
    """Write an image file to stdout, if it can be decoded."""
    pixels = decoded(image)
    if pixels is not None:
        Console().print(drawn(pixels))
