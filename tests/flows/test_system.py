# SPDX-License-Identifier: Apache-2.0
"""The whole road (seed 300-304, 501-503, 1001-1004), with clock and octet counts.

Three servers and five legs, each behind a proxy that counts.  One story in the seed's
order; after each step it is said, and checked, on which legs octets have moved.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.flows.programs import (
    WITH_RENDEZVOUS,
    Programs,
    edit,
    eventually,
    playground,
    sha256,
)
from tests.flows.proxy import CountingProxy
from tests.flows.story import item_at, offer_at, transfer_of

MIB = 2**20
SIZE = 24 * MIB
POCKET = 256 * 1024
"""Octets that the commands of a step may take on a leg, with their logins."""
OVERHEAD = 1.02
"""What TLS and commands add to content, at most; and the requests for each slice."""

LEGS = {
    "alice-a": ("alice", "a", ("submission", "imap")),
    "bob-b": ("bob", "b", ("submission", "imap")),
}
"""Legs of the terminals: profile, server, listeners."""
WAYS = {
    "a-b": ("a", "b", "b.example"),
    "b-a": ("b", "a", "a.example"),
    "a-r": ("a", "r", "rcs.example"),
    "b-r": ("b", "r", "rcs.example"),
}
"""Legs between servers: who connects, to whom, under which name."""


@dataclass
class Road:
    """The legs, and what has crossed each of them since the last step."""

    programs: Programs
    legs: dict[str, list[CountingProxy]]
    began: float = field(default_factory=time.monotonic)
    seen: dict[str, int] = field(default_factory=dict)

    def step(self, numbers: str) -> dict[str, int]:
        """End a step: tell it, and return the octets on each leg."""
        now = {name: sum(p.total for p in leg) for name, leg in self.legs.items()}
        moved = {name: now[name] - self.seen.get(name, 0) for name in now}
        self.seen = now
        told = ", ".join(f"{name} {octets:,}" for name, octets in moved.items())
        print(f"{time.monotonic() - self.began:6.1f} s  {numbers:9} {told}")
        return moved


@contextmanager
def road(folder: Path) -> Iterator[Road]:
    """Run three servers and put a proxy into each leg."""
    with ExitStack() as stack:
        legs: dict[str, list[CountingProxy]] = {}

        def leg(name: str, port: int) -> CountingProxy:
            proxy = stack.enter_context(CountingProxy(port))
            legs.setdefault(name, []).append(proxy)
            return proxy

        def change(made: Path) -> None:
            ports = json.loads((made / "playground.json").read_text())["servers"]
            for name, (who, whom, domain) in WAYS.items():
                proxy = leg(name, ports[whom]["smtp"])
                address = f"127.0.0.1:{proxy.port}"
                edit(made / f"{who}.toml", f'peer."{domain}"', address=address)
            for name, (who, server, listeners) in LEGS.items():
                profile = made / "profiles" / who / "profile.toml"
                text = profile.read_text()
                for listener in listeners:
                    port = ports[server][listener]
                    text = text.replace(f":{port}", f":{leg(name, port).port}")
                profile.write_text(text)

        programs = stack.enter_context(
            playground(folder, change=change, servers=WITH_RENDEZVOUS)
        )
        yield Road(programs, legs)


def test_one_story_with_clock_and_octet_counts(tmp_path: Path) -> None:
    file = tmp_path / "film.bin"
    file.write_bytes(os.urandom(SIZE))
    with road(tmp_path / "playground") as way:
        programs = way.programs
        for name in ("alice", "bob"):
            programs.log_in_number(name)
        moved = way.step("201-202")
        assert max(moved.values()) < POCKET
        assert moved["a-b"] == moved["a-r"] == 0

        number = programs.account("bob")["number"]
        asked = programs.mshare("alice", "send", file, number, "--no-wait", expect=75)
        assert "has not answered yet" in asked.err
        requests = eventually(
            lambda: programs.mshare("bob", "requests", "--json").json, "bob is asked"
        )
        programs.mshare("bob", "accept", requests[0]["id"])
        moved = way.step("203-206")
        between = ("a-b", "b-a", "a-r", "b-r")  # terminals ask terminals
        assert sum(moved[name] for name in between) == 0
        uploaded = moved["alice-a"]

        programs.mshare("alice", "send", file, number)
        offer = offer_at(programs, "bob", file.name)
        transfer_of(programs, "alice", file.name, "offered")
        moved = way.step("207-213")
        uploaded += moved["alice-a"]
        assert SIZE < uploaded < SIZE * OVERHEAD + 2 * POCKET
        assert moved["a-b"] == 0
        assert 0 < moved["a-r"] < POCKET
        assert moved["bob-b"] < POCKET

        programs.mshare("bob", "accept", offer["id"])
        item = item_at(programs, "bob", file.name, SIZE)
        sent = transfer_of(programs, "alice", file.name, "sent")
        moved = way.step("214-219")
        assert SIZE < moved["a-b"] < SIZE * OVERHEAD
        assert moved["a-r"] + moved["b-r"] < POCKET
        assert moved["alice-a"] + moved["bob-b"] < 2 * POCKET
        assert (sent["octets"], sent["route"]) == (SIZE, "direct")

        programs.mshare("bob", "get", item["id"], "-o", tmp_path / "fetched")
        moved = way.step("220")
        assert SIZE < moved["bob-b"] < SIZE * OVERHEAD + POCKET
        assert moved["a-b"] + moved["alice-a"] == 0
        listed = programs.mshare("bob", "ls", "--json").json
        assert [each["read"] for each in listed] == [SIZE]
        assert max(way.step("221").values()) < POCKET
        assert sha256(tmp_path / "fetched") == sha256(file)
