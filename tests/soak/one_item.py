# SPDX-License-Identifier: Apache-2.0
"""One large item on its way while every leg is cut and every process is killed.

Each leg is cut at random octets; both servers and both terminals are killed with -9 on
the way.  It has to arrive by itself, once, and at most a watermark may cross a leg
again for each interruption.  ``python -m tests.soak.one_item --size 4096`` says at the
end what it cost; the exit status tells.
"""

from __future__ import annotations

import argparse
import os
import random
import secrets
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from tests.flows.programs import eventually
from tests.soak import checks, told
from tests.soak.kills import SETTLING, Report
from tests.soak.ledger import Ledger
from tests.soak.legs import AWAY, Leg, MiB
from tests.soak.pair import Pair, digest, fresh_name, new_file, pair

SIZE = 4096 * MiB
CUTS = 10
"""Of each leg."""
KILLS = 2
"""Of each server, and of each terminal."""
STEP = 0.005
"""Seconds between two looks at how far a leg is."""


def run(
    two: Pair,
    folder: Path,
    size: int,
    seed: int,
    *,
    cuts: int = CUTS,
    kills: int = KILLS,
    limit: float = 3600.0,
) -> Report:
    """Send one item of ``size`` octets; ``limit``: seconds it may take at most."""
    began, ledger = time.monotonic(), Ledger()
    path = new_file(folder, fresh_name(size), size)
    file = ledger.add(path.name, size, digest(path))
    happened: list[str] = []
    with ThreadPoolExecutor() as people, _trouble(two, size, seed, cuts, kills) as done:
        alice = people.submit(_send, two, ledger, path, limit)
        bob = people.submit(_receive, two, ledger, folder, path.name, limit)
        _wait(alice, bob)
        happened += done
    ledger.wrong += checks.settle(two, SETTLING)
    if digest(folder / f"fetched-{path.name}") != file.sha256:
        ledger.complain("what was fetched is not what was sent")
    more, wrong = two.legs.claims(checks.wanted(two, ledger))
    wrong += checks.everything(two, ledger)
    did: dict[str, int | float | str] = {
        "MiB": round(size / MiB),
        **{what: happened.count(what) for what in sorted(set(happened))},
        **told.octets(two.legs, more),
        "seconds": round(time.monotonic() - began),
    }
    return Report(did, wrong)


def _wait(*people: Future[None]) -> None:
    for person in people:
        person.result()


def _send(two: Pair, ledger: Ledger, path: Path, limit: float) -> None:
    """Be alice: send the file, again whenever the terminal was killed."""

    def once() -> bool:
        bob = two.address("bob")
        said = two.terminal("alice", "send", path, bob, "--json")
        if said.status == os.EX_OK:
            ledger.sent(ledger.files[path.name], said.json["transfers"][0]["id"])
        return said.status == os.EX_OK

    eventually(once, f"{path.name} is sent", limit)


def _receive(two: Pair, ledger: Ledger, folder: Path, name: str, limit: float) -> None:
    """Be bob: accept it, and fetch it as soon as anything of it is here."""

    def accepted() -> bool:
        offers = [o["id"] for o in two.ask("bob", "offers") if o["name"] == name]
        said = [two.terminal("bob", "accept", offer).status for offer in offers]
        return bool(offers) and not any(said)

    def item() -> str | None:
        found = [i["id"] for i in two.ask("bob", "ls") if i["name"] == name]
        return found[-1] if found else None

    def fetched() -> bool:
        target = folder / f"fetched-{name}"
        said = two.terminal(AWAY, "get", eventually(item, "it is here"), "-o", target)
        return said.status == os.EX_OK

    eventually(accepted, f"{name} is accepted", limit)
    found = eventually(item, f"{name} is here", limit)
    ledger.begun[found] = ledger.files[name].size
    eventually(fetched, f"{name} is fetched", limit)


@contextmanager
def _trouble(
    two: Pair, size: int, seed: int, cuts: int, kills: int
) -> Iterator[list[str]]:
    """Break things at random octets of each leg; yields what was broken."""
    chance = random.Random(seed)
    done: list[str] = []
    legs = two.legs
    victims: dict[Leg, tuple[str, ...]] = {
        legs.upload: ("a", "alice"),
        legs.push: ("a", "b"),
        legs.download: ("b", AWAY),
    }
    over = threading.Event()
    names = {legs.upload: "upload", legs.push: "push", legs.download: "download"}
    with ThreadPoolExecutor() as watchers:
        for leg, who in victims.items():
            breaks = [partial(_cut, leg, names[leg])] * cuts
            for victim in who:
                shared = 2 if victim in ("a", "b") else 1  # it is in two legs
                breaks += [partial(_kill, two, victim)] * (kills // shared or 1)
            chance.shuffle(breaks)
            at = sorted(chance.randrange(size // 50, size) for _ in breaks)
            plan = list(zip(at, breaks, strict=True))
            watchers.submit(_follow, leg, plan, over, done)
        try:
            yield done
        finally:
            over.set()


def _follow(
    leg: Leg,
    plan: Sequence[tuple[int, Callable[[], str]]],
    over: threading.Event,
    done: list[str],
) -> None:
    for octets, what in plan:
        while leg.moved < octets:
            if over.wait(STEP):
                return
        done.append(what())


def _cut(leg: Leg, name: str) -> str:
    leg.interrupt()
    leg.cut()
    return f"cuts of {name}"


def _kill(two: Pair, victim: str) -> str:
    if victim in ("a", "b"):
        two.restart(victim)
    else:
        two.kill_a_terminal(0.0, of=victim)
    return f"kills of {victim}"


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=SIZE // MiB, help="MiB")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**32))
    options = parser.parse_args()
    print(f"one item: {options.size} MiB, seed {options.seed}", flush=True)
    with told.scratch("one-item") as folder, pair(folder / "playground") as two:
        report = run(two, folder, options.size * MiB, options.seed)
        if report.wrong:
            told.keep_logs(folder, {n: two.server(n).log for n in ("a", "b")})
    return told.verdict("one item", report.did, report.wrong)


if __name__ == "__main__":
    sys.exit(main())
