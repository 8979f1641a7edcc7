# SPDX-License-Identifier: Apache-2.0
"""What the longer benches have in common on the command line, and how they tell."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from maild.operator import sizes

MIB = 2**20


def parser(text: str | None) -> argparse.ArgumentParser:
    """Return a parser with the options that all of them take."""
    made = argparse.ArgumentParser(
        description=text, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument(
        "--json", nargs="?", const="-", metavar="FILE", help="figures as JSON, too"
    )
    made.add_argument(
        "--scratch", type=Path, metavar="DIR", help="where files may be (default: TMP)"
    )
    return made


def octets(text: str) -> int:
    """Return how many octets ``512M`` or ``8G`` is: binary, as files here are made."""
    return sizes.parse(f"{text}i" if text[-1:].isalpha() else text)


def rate(text: str) -> int:
    """Return how many octets a second ``20M`` is; decimal, as rates are."""
    number, letter = text[:-1], text[-1:].upper()
    if letter not in "KMG":
        number, letter = text, ""
    return int(float(number) * 1000 ** ("KMG".index(letter) + 1 if letter else 0))


@contextmanager
def scratch(options: argparse.Namespace, need: int) -> Iterator[Path]:
    """Give a directory on a device with ``need`` octets of room; or end."""
    with tempfile.TemporaryDirectory(
        prefix="maild-bench-", dir=options.scratch
    ) as name:
        free = shutil.disk_usage(name).free
        if free < need:
            print(
                f"{need >> 20} MiB of room are needed, {free >> 20} are there: {name}"
            )
            sys.exit(os.EX_CANTCREAT)
        yield Path(name)


def new_file(path: Path, size: int, *, sparse: bool = False) -> Path:
    """Make a file of ``size`` octets that no other is like; a sparse one is zeros."""
    with path.open("wb") as out:
        out.write(os.urandom(min(size, 4096)))
        block = b"" if sparse else os.urandom(MIB)
        while block and out.tell() < size:
            out.write(os.urandom(16))
            out.write(block[: size - out.tell()])
        out.truncate(size)
    return path


def quantile(values: Sequence[float], part: float) -> float:
    """Return the value that ``part`` of them do not exceed."""
    return sorted(values)[min(int(part * len(values)), len(values) - 1)]


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows under a head, the first column to the left."""
    lines = [list(head), *([str(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for first, *rest in lines:
        cells = [cell.rjust(n) for cell, n in zip(rest, widths[1:], strict=True)]
        print("  " + "  ".join([first.ljust(widths[0]), *cells]))
    sys.stdout.flush()


def dump(options: argparse.Namespace, facts: dict[str, Any]) -> None:
    """Write the figures as JSON if they are wanted."""
    if options.json is None:
        return
    text = json.dumps(facts, indent=1) + "\n"
    if options.json == "-":
        print(text, end="")
    else:
        Path(options.json).write_text(text)
