# SPDX-License-Identifier: Apache-2.0
"""Several recipients on one server: the content crosses between the servers once."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests.flows.programs import Programs, edit, eventually, playground, sha256
from tests.flows.proxy import CountingProxy
from tests.flows.story import item_at, offer_at

MIB = 2**20
LEG = 64 * 1024
"""Octets that a further recipient may cost: offer, envelope, digest, and their TLS."""
WATERMARK = 16 * MIB
ENOUGH = "1000000000"


@contextmanager
def counted_leg(
    folder: Path, *, hold_after: int | None = None
) -> Iterator[tuple[Programs, CountingProxy]]:
    """Yield a playground in which server a reaches server b through a proxy."""
    proxies: list[CountingProxy] = []

    def change(made: Path) -> None:
        facts = json.loads((made / "playground.json").read_text())
        target = facts["servers"]["b"]["smtp"]
        proxies.append(CountingProxy(target, hold_after=hold_after))
        address = f"127.0.0.1:{proxies[0].port}"
        edit(made / "a.toml", 'peer."b.example"', address=address)
        edit(made / "a.toml", "delivery", retry_first=0.5, retry_most=1.0)

    with ExitStack() as stack:
        programs = stack.enter_context(playground(folder, change=change))
        yield programs, stack.enter_context(proxies[0])


def transfer_to(programs: Programs, address: str, *states: str) -> dict[str, Any]:
    """Wait until alice's transfer to an address is in one of ``states``."""

    def look() -> dict[str, Any] | None:
        for each in programs.mshare("alice", "status", "--json").json:
            if each["recipient"] == address and each["state"] in states:
                return dict(each)
        return None

    return eventually(look, f"the transfer to {address} is {states}")


def accept(programs: Programs, name: str, file: Path) -> None:
    programs.mshare(name, "accept", offer_at(programs, name, file.name)["id"])


def fetched(programs: Programs, name: str, file: Path) -> str:
    """Return the digest of what an account has received."""
    item = item_at(programs, name, file.name, file.stat().st_size)
    target = file.with_name(f"{name}.{file.name}")
    programs.mshare(name, "get", item["id"], "-o", target)
    return sha256(target)


def test_three_recipients_cost_one(tmp_path: Path) -> None:
    file = tmp_path / "three.bin"
    file.write_bytes(os.urandom(20 * MIB))
    with counted_leg(tmp_path / "playground") as (programs, proxy):
        programs.maild("b", "account", "add", "--generate", "dave@b.example")
        policy = ("policy", "dave@b.example", "anyone", "--size", ENOUGH)
        programs.maild("b", "account", *policy)
        costs: list[int] = []
        for name in ("bob", "carol", "dave"):
            before = proxy.total
            programs.mshare("alice", "send", file, f"{name}@b.example")
            if name != "dave":
                accept(programs, name, file)
            sent = transfer_to(programs, f"{name}@b.example", "sent")
            assert sent["octets"] == 20 * MIB
            costs.append(proxy.total - before)
            shown = programs.maild("a", "queue", "show", sent["id"], "--json").json
            assert shown["attempts"] == 0
        print(f"octets between the servers: {costs}")
        assert costs[0] > 20 * MIB
        assert max(costs[1:]) < LEG
        for name in ("bob", "carol"):
            assert fetched(programs, name, file) == sha256(file)
        assert "sound" in programs.maild("b", "fsck").out


def test_who_is_held_leaves_it_to_the_next_one(tmp_path: Path) -> None:
    """The first is stopped in the middle; the next goes on, then the first ends."""
    file = tmp_path / "held.bin"
    file.write_bytes(os.urandom(64 * MIB))
    playing = counted_leg(tmp_path / "playground", hold_after=40 * MIB)
    with playing as (programs, proxy):
        for name in ("bob", "carol"):
            programs.mshare("alice", "send", file, f"{name}@b.example")
            offer_at(programs, name, file.name)
        accept(programs, "bob", file)
        assert proxy.held.wait(60)
        accept(programs, "carol", file)
        waiting = transfer_to(programs, "carol@b.example", "accepted")
        shown = programs.maild("a", "queue", "show", waiting["id"], "--json").json
        assert shown["attempts"] == 0
        first = transfer_to(programs, "bob@b.example", "transferring")
        programs.maild("a", "queue", "hold", first["id"])
        proxy.cut()
        proxy.release()
        transfer_to(programs, "carol@b.example", "sent")
        states = {
            each["recipient"]: each["state"]
            for each in programs.mshare("alice", "status", "--json").json
        }
        assert states["bob@b.example"] == "deferred"
        programs.maild("a", "queue", "release", first["id"])
        transfer_to(programs, "bob@b.example", "sent")
        print(f"{(proxy.up - 64 * MIB) / MIB:.2f} MiB more than the file on the leg")
        assert proxy.up <= 64 * MIB + WATERMARK
        for name in ("bob", "carol"):
            assert fetched(programs, name, file) == sha256(file)
        assert "sound" in programs.maild("b", "fsck").out


def test_what_the_first_has_removed_is_sent_anew(tmp_path: Path) -> None:
    file = tmp_path / "anew.bin"
    file.write_bytes(os.urandom(4 * MIB))
    with counted_leg(tmp_path / "playground") as (programs, proxy):
        for name in ("bob", "carol"):
            programs.mshare("alice", "send", file, f"{name}@b.example")
            offer_at(programs, name, file.name)
        accept(programs, "bob", file)
        transfer_to(programs, "bob@b.example", "sent")
        programs.maild("b", "account", "rm", "--yes", "bob@b.example")
        before = proxy.up
        accept(programs, "carol", file)
        transfer_to(programs, "carol@b.example", "sent")
        assert proxy.up - before > 4 * MIB
        assert fetched(programs, "carol", file) == sha256(file)
