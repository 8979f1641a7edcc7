# SPDX-License-Identifier: Apache-2.0
"""Wall clocks that jump a day ahead, a day back, and become right again.

People work, strangers write; each server's clock jumps on its own.  Nothing that was
acknowledged may be lost, and what had to wait meanwhile (a certificate is not yet
valid, a next attempt is due tomorrow) has to go on once the clocks are right.
``python -m tests.soak.clock_jumps`` says at the end what it did and what is wrong.
"""

from __future__ import annotations

import argparse
import random
import secrets
import sys
import threading
import time
from collections import Counter
from pathlib import Path

from tests.flows.programs import eventually
from tests.soak import checks, operations, told
from tests.soak.crash_point import CrashPoint, compiler
from tests.soak.crash_points import prepared
from tests.soak.kills import SETTLING, Report
from tests.soak.ledger import Ledger
from tests.soak.operations import Case, new_case
from tests.soak.pair import Pair, pair
from tests.soak.power_cut import SIZES, WEIGHTS, WHO
from tests.soak.traffic import Traffic

DAY = 86_400
"""Seconds."""


def run(
    two: Pair,
    points: dict[str, CrashPoint],
    folder: Path,
    jumps: int,
    seed: int,
    *,
    pause: float = 4.0,
    settling: float = SETTLING,
    few: bool = False,
) -> Report:
    """Let clocks jump, up to ``pause`` seconds apart; set them right, wait and look."""
    began = time.monotonic()
    ledger, chance = Ledger(), random.Random(seed)
    traffic = Traffic(two, ledger, folder, seed, SIZES, WEIGHTS)
    strangers = (traffic.stranger_to(who) for who in WHO.values())
    done: Counter[str] = Counter()
    with traffic.going_on(*traffic.people(few=few), *strangers):
        for number in range(jumps):
            name, shift = "ab"[number // 2 % 2], (DAY, -DAY)[number % 2]
            points[name].shift_clock(shift)
            done[f"{shift // DAY:+} day of {name}"] += 1
            threading.Event().wait((0.5 + chance.random() / 2) * pause)
            if chance.random() < 0.5:  # else it jumps from one wrong time to another
                points[name].shift_clock(0)
        for point in points.values():
            point.shift_clock(0)
        traffic.end_sending()
        ledger.wrong += checks.settle(two, settling)
    wrong = checks.everything(two, ledger, again=True)
    did: dict[str, int | float | str] = {
        **{f"jumps by {what}": count for what, count in sorted(done.items())},
        **{f"acknowledged {k}": n for k, n in ledger.acknowledged.items()},
        **{f"transfers {s}": n for s, n in Counter(_ends(two)).items()},
        "seconds": round(time.monotonic() - began),
    }
    return Report(did, wrong)


def put_off(
    two: Pair, points: dict[str, CrashPoint], folder: Path, limit: float = 90.0
) -> list[str]:
    """Let an offer be put off while the clock is a day ahead, then set it right.

    Its next attempt is due tomorrow: ``limit`` is how many seconds it may really take.
    """
    case = new_case(two, folder)
    two.legs.push.refuse()
    points["a"].shift_clock(DAY)
    operations.send(case)
    eventually(lambda: _state(case) == "deferred", f"{case.name} is put off", limit)
    points["a"].shift_clock(0)
    two.legs.push.admit()
    eventually(lambda: _state(case) != "deferred", f"{case.name} goes on", limit)
    return operations.accepted_and_arrived(case)


def _state(case: Case) -> str:
    found = case.transfer()
    return "" if found is None else str(found["state"])


def _ends(two: Pair) -> list[str]:
    return [str(transfer.state) for transfer in two.queue("a")]


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jumps", type=int, default=24)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**32))
    options = parser.parse_args()
    if compiler() is None:
        print("clock jumps: skipped, there is no C compiler")
        return 0
    print(f"clock jumps: seed {options.seed}", flush=True)
    with told.scratch("clock-jumps") as folder:
        points = prepared(folder)
        environment = {name: point.environment for name, point in points.items()}
        with pair(folder / "playground", environment=environment) as two:
            late = put_off(two, points, folder)
            report = run(two, points, folder, options.jumps, options.seed)
            report.wrong.extend(late)
            if report.wrong:
                told.keep_logs(folder, {n: two.server(n).log for n in ("a", "b")})
    return told.verdict("clock jumps", report.did, report.wrong)


if __name__ == "__main__":
    sys.exit(main())
