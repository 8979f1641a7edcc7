# SPDX-License-Identifier: Apache-2.0
"""Kill -9 of servers and terminals at random moments while items move.

``python -m tests.soak.kills --rounds 200`` says at the end what was killed, what had
been acknowledged, and what is wrong; the exit status tells.
"""

from __future__ import annotations

import argparse
import random
import secrets
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tests.soak import checks, told
from tests.soak.ledger import Ledger
from tests.soak.pair import Pair, pair
from tests.soak.traffic import Traffic

SETTLING = 90.0
"""Seconds after the last kill in which something has to move."""
VICTIMS = ("a", "b", "terminal")


@dataclass(frozen=True)
class Report:
    """What a run did, and what is wrong."""

    did: dict[str, int | float | str]
    wrong: list[str]


def run(
    two: Pair,
    folder: Path,
    rounds: int,
    seed: int,
    *,
    sizes: tuple[int, ...] | None = None,
    settling: float = SETTLING,
    pause: float = 2.0,
    few: bool = False,
    longest: float = 3600.0,
) -> Report:
    """Kill ``rounds`` times, up to ``pause`` seconds apart; then wait and look.

    After ``longest`` seconds there are no more kills.
    """
    began = time.monotonic()
    ledger = Ledger()
    traffic = (
        Traffic(two, ledger, folder, seed)
        if sizes is None
        else Traffic(two, ledger, folder, seed, sizes, (1,) * len(sizes))
    )
    with traffic.going_on(*traffic.people(few=few)):
        chance = random.Random(seed)
        killed = kill_around(two, chance, rounds, pause, began + longest)
        traffic.end_sending()
        ledger.wrong += checks.settle(two, settling)
    states = Counter(str(t.state) for t in two.queue("a"))
    more, wrong = two.legs.claims(checks.wanted(two, ledger))
    wrong += checks.everything(two, ledger)
    did: dict[str, int | float | str] = {
        **{f"kills of {victim}": killed[victim] for victim in VICTIMS},
        **{f"acknowledged {k}": n for k, n in ledger.acknowledged.items() if n},
        **{f"transfers {state}": n for state, n in states.items()},
        **told.octets(two.legs, more),
        "seconds": round(time.monotonic() - began),
    }
    return Report(did, wrong)


def kill_around(
    two: Pair, chance: random.Random, rounds: int, pause: float, until: float
) -> Counter[str]:
    """Kill somebody, wait, start what was killed, and so on."""
    killed: Counter[str] = Counter()
    while killed.total() < rounds and time.monotonic() < until:
        threading.Event().wait(chance.random() * pause)
        victim = chance.choice(VICTIMS)
        if victim == "terminal":
            killed[victim] += two.kill_a_terminal(chance.random())
            continue
        killed[victim] += 1
        two.kill(victim)
        threading.Event().wait(chance.random() * 0.5)
        two.start(victim)
    return killed


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=200, help="kills")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**32))
    parser.add_argument("--minutes", type=float, default=60.0, help="at most")
    options = parser.parse_args()
    print(f"kills: {options.rounds} kills, seed {options.seed}", flush=True)
    with told.scratch("kills") as folder, pair(folder / "playground") as two:
        report = run(
            two,
            folder,
            options.rounds,
            options.seed,
            longest=60 * options.minutes,
        )
        if report.wrong:
            told.keep_logs(folder, {n: two.server(n).log for n in ("a", "b")})
    return told.verdict("kills", report.did, report.wrong)


if __name__ == "__main__":
    sys.exit(main())
