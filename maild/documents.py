# SPDX-License-Identifier: Apache-2.0
"""The documents written from the code: ``python -m maild.documents DIRECTORY``.

conf/maild.toml and docs/config.md come from the options, docs/queue.md from the table
of states, docs/rfc.md from the citations in the code.  A test compares them.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from maild import config
from maild.mail.transfer import FINAL, KEYWORD, NEXT
from maild.rfcs import TITLES

SOURCES = ("maild", "terminal_client")
"""Packages whose citations are listed."""

_CITATION = re.compile(r"RFC[ \n#]+(\d{3,5})")


def documents(root: Path) -> Iterator[tuple[Path, str]]:
    """Yield (path below ``root``, text) of every generated document."""
    yield root / "conf" / "maild.toml", config.example()
    yield root / "docs" / "config.md", config.reference()
    yield root / "docs" / "queue.md", queue_states()
    yield root / "docs" / "rfc.md", standards(root)


def queue_states() -> str:
    """Return the life of a transfer, drawn from its table."""
    lines = [
        "# The life of a transfer",
        "",
        "Written from `maild/mail/transfer.py` by `make docs`.",
        "",
        "```mermaid",
        "stateDiagram-v2",
        "    [*] --> queued",
    ]
    for state, moves in NEXT.items():
        lines += [f"    {state} --> {to} : {event}" for event, to in moves.items()]
        if state in FINAL:
            lines.append(f"    {state} --> [*]")
    lines += ["```", "", "| state | keyword in `Transfers` |", "|---|---|"]
    lines += [f"| {state} | `{KEYWORD[state]}` |" for state in NEXT]
    return "\n".join(lines) + "\n"


def citations(root: Path) -> dict[int, list[str]]:
    """Return the files that cite each RFC, as paths below ``root``."""
    found: dict[int, set[str]] = {}
    for package in SOURCES:
        for path in sorted((root / package).rglob("*.py")):
            if path.name == "rfcs.py":
                continue
            for number in _CITATION.findall(path.read_text()):
                found.setdefault(int(number), set()).add(
                    path.relative_to(root).as_posix()
                )
    return {number: sorted(found[number]) for number in sorted(found)}


def standards(root: Path) -> str:
    """Return the index of standards: title, and the files that implement each."""
    lines = [
        "# Standards, and where they are implemented",
        "",
        "Written from the citations in the code by `make docs`.",
        "",
        "| RFC | title | files |",
        "|---|---|---|",
    ]
    for number, files in citations(root).items():
        shown = ", ".join(f"`{name.removeprefix('maild/')}`" for name in files)
        lines.append(f"| {number} | {TITLES.get(number, '?')} | {shown} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write the documents below the directory named as the first argument."""
    for path, text in documents(Path(sys.argv[1])):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


if __name__ == "__main__":
    main()
