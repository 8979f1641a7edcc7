# SPDX-License-Identifier: Apache-2.0
"""How a run says at its end what it did and found; the exit status tells the same."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.soak.legs import Legs, MiB


def verdict(
    name: str, did: Mapping[str, int | float | str], wrong: Sequence[str]
) -> int:
    """Print what was done, then every finding; return the exit status."""
    print(f"{name}: " + ", ".join(f"{count} {what}" for what, count in did.items()))
    for each in wrong:
        print(f"  WRONG: {each}")
    print(f"{name}: {'nothing was wrong' if not wrong else f'{len(wrong)} findings'}")
    sys.stdout.flush()
    return 1 if wrong else 0


def octets(legs: Legs, more: Mapping[str, float]) -> dict[str, int | float]:
    """Return what crossed each leg, and what each interruption cost."""
    return {
        f"MiB by {name} (and {more[name]} MiB again for each interruption)": round(
            moved / MiB
        )
        for name, moved in legs.moved().items()
    }


@contextmanager
def scratch(name: str) -> Iterator[Path]:
    """Give a directory that stays only when logs were kept in it, or a run broke."""
    folder = Path(tempfile.mkdtemp(prefix=f"maild-{name}-"))
    yield folder
    if not any(folder.glob("*.log")):
        shutil.rmtree(folder)


def keep_logs(folder: Path, logs: Mapping[str, Sequence[str]]) -> None:
    """Keep the servers' logs of a run that found something."""
    for name, lines in logs.items():
        path = folder / f"{name}.log"
        path.write_text("".join(lines))
        print(f"  log of server {name}: {path}")
