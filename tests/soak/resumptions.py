# SPDX-License-Identifier: Apache-2.0
"""Operations that begin with a scar: something was cut short, now it goes on.

Either a large message has half come when both its ends are killed, and a crash point
is hit while it goes on by 355 (RFC 1845); or a store is begun for the first time.
"""

from __future__ import annotations

import os
import smtplib
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from maild.store import checkpoints, trace
from tests.flows.programs import BIN, Server, edit, eventually
from tests.soak import operations
from tests.soak.legs import Leg, MiB
from tests.soak.operations import LIMIT, Case, Operation
from tests.soak.pair import opened, sweep
from tests.unit.ports import free_port

SIZE = 16 * MiB
"""Octets of an item that is cut short."""
HELD = 12 * MiB
"""Octets after which its leg stands still."""
DURABLE = 11 * MiB
"""Octets that are durable before anything is killed.

Going on twice costs less than the whole: so it can be told from beginning anew.
"""


def _leg(case: Case, server: str) -> Leg:
    return case.pair.legs.push if server == "b" else case.pair.legs.upload


def _has_come(case: Case, server: str) -> bool:
    """Whether most of the item is durable at a server."""
    with opened(case.pair.store_of(server)) as store:
        found = store.index.read_here(checkpoints.everything)
    return any(
        each.octets >= DURABLE
        for each in found
        if each.checkpoint.final_reply is None
        and (each.checkpoint.envelope.size or 0) >= SIZE
    )


@contextmanager
def _half_way(case: Case, server: str, *victims: str) -> Iterator[None]:
    """Let the caller begin what is to be cut short; kill servers when most has come."""
    leg = _leg(case, server)
    leg.hold(HELD)
    yield
    _wait_until_half_way(case, server)
    for victim in victims:
        case.pair.kill(victim)
    leg.refuse()
    for victim in victims:
        case.pair.start(victim)


def _wait_until_half_way(case: Case, server: str) -> None:
    assert _leg(case, server).held.wait(LIMIT)
    eventually(lambda: _has_come(case, server), f"{case.name} has half come", LIMIT)


# A push


def _half_pushed(case: Case, *victims: str) -> None:
    operations.offer(case)
    with _half_way(case, "b", *victims):
        operations.accept(case)


def _go_on_pushing(case: Case) -> bool:
    leg = case.pair.legs.push
    before = leg.moved
    leg.admit()
    operations.until(case, "sent")
    case.moved.append(leg.moved - before)
    return False


def _went_on(case: Case, acknowledged: bool) -> list[str]:
    return operations.accepted_and_arrived(case) + _not_anew(case) + _flowed_on(case)


def _not_anew(case: Case) -> list[str]:
    (moved,) = case.moved
    if moved < SIZE:
        return []
    return [f"{case.name}: it began anew: {moved} octets came after the interruption"]


def _flowed_on(case: Case) -> list[str]:
    """Look whether delivery was given an offset, each time it began."""
    transfer = case.transfer()
    assert transfer is not None
    with opened(case.pair.store_of("a")) as store:
        story = store.index.read_here(trace.story, transfer["id"])
    flows = [event.text for event in story if "content flows" in event.text]
    anew = [text for text in flows if " from octet 0 " in text]
    if len(flows) > 1 and len(anew) == 1:
        return []
    return [f"{case.name}: {flows}"]


# An upload


def _half_uploaded(case: Case) -> None:
    profile = case.pair.programs.account("alice")["profile"]
    words = [str(BIN / "mshare"), "--profile", profile, "upload", str(case.file)]
    with _half_way(case, "a", "a"):
        terminal = subprocess.Popen(
            words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        _wait_until_half_way(case, "a")
        terminal.kill()
        terminal.wait(30)
    case.pair.legs.upload.admit()


def _go_on_uploading(case: Case) -> bool:
    leg = case.pair.legs.upload
    before = leg.moved
    acknowledged = operations.upload(case)
    case.moved.append(leg.moved - before)
    return acknowledged


def _was_uploaded(case: Case, acknowledged: bool) -> list[str]:
    wrong = [] if acknowledged else [f"{case.name}: the terminal did not go on"]
    if len(case.copies("alice")) != 1:
        wrong.append(f"{case.name}: {len(case.copies('alice'))} copies")
    return wrong + _not_anew(case) + operations.uploaded(case, acknowledged)


# The first start


FIRST = "first"
"""The name of a server whose store is not there yet."""


def _new_server(case: Case) -> None:
    """Make a configuration like that of b, with other ports and without a store."""
    b = case.pair.server("b")
    b.stop()  # it shares the plan
    text = b.config.read_text()
    ports = {listener: free_port() for listener in b.ports}
    for listener, port in b.ports.items():
        text = text.replace(f":{port}", f":{ports[listener]}")
    config = b.config.with_name(f"{FIRST}.toml")
    config.write_text(text)
    edit(config, "server", store=f"{FIRST}-{case.file.stem}")
    case.pair.programs.servers[FIRST] = Server(config, ports)


def _start_once(case: Case) -> bool:
    """Start it and stop it; whether it got that far."""
    first = case.pair.server(FIRST)
    with suppress(AssertionError):
        first.start(**case.pair.environment.get("b", {}))
        first.stop()
        return True
    first.bury()
    return False


def _starts_and_works(case: Case, acknowledged: bool) -> list[str]:
    pair = case.pair
    try:
        pair.start(FIRST)
    except AssertionError as error:
        pair.server(FIRST).bury()
        return [f"it does not start: {error}"]
    wrong = []
    address = "dora@b.example"
    done = pair.operator(FIRST, "account", "add", address, "--generate")
    if done.status != os.EX_OK:
        wrong.append(f"no account can be added: {done.err}")
    with smtplib.SMTP(
        "127.0.0.1", pair.server(FIRST).ports["smtp"], timeout=30
    ) as smtp:
        smtp.sendmail("carol@elsewhere.example", [address], "Subject: x\r\n\r\nx\r\n")
    pair.server(FIRST).stop()
    said = pair.operator(FIRST, "fsck")
    if said.status != os.EX_OK:
        wrong.append(f"fsck: {said.out}")
    wrong += sweep(pair.store_of(FIRST))
    del pair.programs.servers[FIRST]
    return wrong


RESUMPTIONS = (
    Operation(
        "go on receiving a push",
        "b",
        lambda case: _half_pushed(case, "b"),
        _go_on_pushing,
        _went_on,
        SIZE,
    ),
    Operation(
        "go on pushing",
        "a",
        lambda case: _half_pushed(case, "a", "b"),
        _go_on_pushing,
        _went_on,
        SIZE,
    ),
    Operation(
        "go on receiving an upload",
        "a",
        _half_uploaded,
        _go_on_uploading,
        _was_uploaded,
        SIZE,
    ),
    Operation(
        "start for the first time", "b", _new_server, _start_once, _starts_and_works
    ),
)
