# SPDX-License-Identifier: Apache-2.0
"""The operations that are cut at every durable call: prepared, done once, and judged.

An operation is prepared while all is well, done once while the plan is armed, and then
looked at after a restart: what was acknowledged holds, nothing is half done, and trying
again leads to exactly one.
"""

from __future__ import annotations

import imaplib
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.flows.programs import eventually
from tests.soak.pair import Pair, digest, fresh_name, new_file

SIZE = 300_000
"""Octets of an item: too large for the index, so that it is a file."""
LIMIT = 60.0
"""Seconds an operation gets to be done, or to end by itself after a restart."""
_SWEEP = """
import sys
from pathlib import Path
from tests.soak.pair import sweep
sweep(Path(sys.argv[1]))
"""


@dataclass(frozen=True)
class Case:
    """One file of one run, and where it may be put."""

    pair: Pair
    folder: Path
    file: Path
    moved: list[int] = field(default_factory=list)
    """Octets that crossed a leg while it was watched."""

    @property
    def name(self) -> str:
        """The name of the file."""
        return self.file.name

    def transfer(self) -> dict[str, Any] | None:
        """Return the newest transfer of the file."""
        found = [t for t in self.pair.ask("alice", "status") if t["name"] == self.name]
        return found[-1] if found else None

    def copies(self, who: str) -> list[dict[str, Any]]:
        """Return what of the name is in somebody's Library."""
        return [i for i in self.pair.ask(who, "ls") if i["name"] == self.name]

    def offer(self) -> str | None:
        """Return the id of the open offer of the file."""
        offers = self.pair.ask("bob", "offers")
        return next((o["id"] for o in offers if o["name"] == self.name), None)

    def is_gone_or_whole(self, who: str) -> list[str]:
        """Download every copy: what is listed can be had, and is right.

        What was cut short is shown as arriving: it waits for whoever sends the rest.
        """
        wrong = []
        for item in self.copies(who):
            if item["arriving"]:
                continue
            target = self.folder / "looked-at"
            said = self.pair.terminal(who, "get", item["id"], "-o", target, "--force")
            if said.status != os.EX_OK or digest(target) != digest(self.file):
                wrong.append(f"{self.name}: a copy is not whole: {said.err.strip()}")
        return wrong


@dataclass(frozen=True)
class Operation:
    """One thing a server does; ``act`` returns whether it was acknowledged."""

    name: str
    server: str
    prepare: Callable[[Case], None]
    act: Callable[[Case], bool]
    judge: Callable[[Case, bool], list[str]]
    size: int = SIZE
    """Octets of the file."""


def new_case(pair: Pair, folder: Path, size: int = SIZE) -> Case:
    """Make a file for one run."""
    return Case(pair, folder, new_file(folder, fresh_name(size), size))


# Uploads and sending commands: alice and server a


def _nothing(case: Case) -> None:
    """Prepare nothing."""


def upload(case: Case) -> bool:
    return case.pair.terminal("alice", "upload", case.file).status == os.EX_OK


def uploaded(case: Case, acknowledged: bool) -> list[str]:
    if acknowledged and all(item["arriving"] for item in case.copies("alice")):
        return [f"{case.name}: the upload was acknowledged, and it is lost"]
    wrong = case.is_gone_or_whole("alice")
    if not upload(case) or not case.copies("alice"):
        wrong.append(f"{case.name}: cannot be uploaded again")
    if any(item["arriving"] for item in case.copies("alice")):
        wrong.append(f"{case.name}: was uploaded again, and has not arrived")
    return wrong + case.is_gone_or_whole("alice")


def _do_upload(case: Case) -> None:
    assert upload(case)


def send(case: Case) -> bool:
    bob = case.pair.address("bob")
    return case.pair.terminal("alice", "send", case.file, bob).status == os.EX_OK


def _sent(case: Case, acknowledged: bool) -> list[str]:
    if acknowledged and case.transfer() is None:
        return [f"{case.name}: sending was acknowledged, and it is lost"]
    if case.transfer() is None and not send(case):
        return [f"{case.name}: cannot be sent again"]
    return accepted_and_arrived(case)


# Offers, acceptance, the push: both servers


def until(case: Case, state: str) -> None:
    """Wait until the transfer is in a state, or a server dead."""

    def is_over() -> bool:
        said = case.pair.terminal("alice", "status", "--json")
        if not all(case.pair.is_alive(name) for name in ("a", "b")):
            return True
        found = said.json if said.status == os.EX_OK else []
        return any((t["name"], t["state"]) == (case.name, state) for t in found)

    with suppress(AssertionError):
        eventually(is_over, f"{state}, or a server dead", LIMIT)


def _send_until_offered(case: Case) -> bool:
    acknowledged = send(case)

    if acknowledged:
        until(case, "offered")
    return acknowledged


def offer(case: Case) -> None:
    assert send(case)
    eventually(case.offer, f"{case.name} is offered", LIMIT)


def accept(case: Case) -> bool:
    offer = case.offer()
    assert offer is not None
    return case.pair.terminal("bob", "accept", offer).status == os.EX_OK


def _accepted(case: Case, acknowledged: bool) -> list[str]:
    if acknowledged and case.offer() is not None:
        return [f"{case.name}: acceptance was acknowledged, and it is open again"]
    return accepted_and_arrived(case)


def accepted_and_arrived(case: Case) -> list[str]:
    """See the rest of the story through: exactly one copy, and one ``sent``."""

    def is_over() -> bool:
        transfer = case.transfer()
        if transfer is not None and transfer["state"] == "offered" and case.offer():
            accept(case)
        return transfer is not None and transfer["state"] in ("sent", "failed")

    with suppress(AssertionError):
        eventually(is_over, f"{case.name} is over", LIMIT)
    transfer, copies = case.transfer(), case.copies("bob")
    if transfer is None or transfer["state"] != "sent" or len(copies) != 1:
        return [f"{case.name}: {len(copies)} copies, and {transfer}"]
    return case.is_gone_or_whole("bob")


def _push(case: Case) -> bool:
    """Accept, and wait until the push is over or a server is dead."""
    accept(case)

    until(case, "sent")
    return False


def _pushed(case: Case, acknowledged: bool) -> list[str]:
    return accepted_and_arrived(case)


# Deleting, and sweeping up


def _delete(case: Case) -> bool:
    """Remove alice's upload as a mail program does: Deleted, then EXPUNGE."""
    alice = case.pair.programs.account("alice")
    port = case.pair.programs.port("alice", "imap")
    try:
        with closing(
            imaplib.IMAP4_SSL("localhost", port, ssl_context=case.pair.programs.tls)
        ) as imap:
            imap.login(alice["address"], alice["password"])
            imap.select("Library")
            _, (found,) = imap.uid("SEARCH", "HEADER", "Content-Disposition", case.name)
            uid = found.decode()
            flagged, _ = imap.uid("STORE", uid, "+FLAGS", r"(\Deleted)")
            # what could not be flagged is not what EXPUNGE has removed
            return flagged == "OK" and imap.uid("EXPUNGE", uid)[0] == "OK"
    except (imaplib.IMAP4.error, OSError):
        return False


def _deleted(case: Case, acknowledged: bool) -> list[str]:
    if acknowledged and case.copies("alice"):
        return [f"{case.name}: was deleted, and is there again"]
    wrong = case.is_gone_or_whole("alice")
    if case.copies("alice") and not _delete(case):
        wrong.append(f"{case.name}: cannot be deleted again")
    return wrong


def _garbage(case: Case) -> None:
    """Leave two blobs that nobody needs, and stop the server: gc is a verb."""
    for one in (case, new_case(case.pair, case.folder)):
        _do_upload(one)
        assert _delete(one)
    case.pair.server("a").stop()


def _collect(case: Case) -> bool:
    environment: Mapping[str, str] = case.pair.environment.get("a", {})
    done = subprocess.run(
        [sys.executable, "-c", _SWEEP, str(case.pair.store_of("a"))],
        env=os.environ | environment,
        capture_output=True,
        timeout=LIMIT,
        check=False,
    )
    return done.returncode == 0


def _collected(case: Case, acknowledged: bool) -> list[str]:
    return []  # what is left is looked at after every operation


OPERATIONS = (
    Operation("receive an upload", "a", _nothing, upload, uploaded),
    Operation("take a sending command", "a", _do_upload, send, _sent),
    Operation("make an offer", "a", _do_upload, _send_until_offered, _sent),
    Operation("receive an offer", "b", _do_upload, _send_until_offered, _sent),
    Operation("take an acceptance", "b", offer, accept, _accepted),
    Operation("receive a push", "b", offer, _push, _pushed),
    Operation("take an answer, and push", "a", offer, _push, _pushed),
    Operation("delete an item", "a", _do_upload, _delete, _deleted),
    Operation("collect garbage", "a", _garbage, _collect, _collected),
)
