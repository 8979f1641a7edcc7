# SPDX-License-Identifier: Apache-2.0
"""Devices that refuse: EIO at a sync ends the server, ENOSPC at a write ends nothing.

``python -m tests.soak.device_errors`` says at the end what was refused and what is
wrong; the exit status tells.
"""

from __future__ import annotations

import argparse
import errno
import os
import secrets
import smtplib
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.flows.programs import eventually
from tests.soak import checks, told
from tests.soak.crash_point import Calls, CrashPoint, compiler
from tests.soak.crash_points import prepared
from tests.soak.ledger import Ledger
from tests.soak.operations import OPERATIONS, Case, Operation, new_case
from tests.soak.pair import Pair, pair

ENDING = 30.0
"""Seconds a server gets to end when its device has refused a sync."""
MOST = 60
"""Refused calls of one operation at most."""
SOME_WRITES = (1, 2, 3, 5, 8, 13, 21, 34, 55)
"""There are many, each page of the journal is one: these stand for them."""
MAIL = "Subject: {}\r\n\r\n" + ("x" * 70 + "\r\n") * 800
"""A message of 57 kB: it lives in the index, and fills it."""
FROM_TERMINALS = tuple(o for o in OPERATIONS if o.name != "collect garbage")
Operations = Sequence[Operation]


@dataclass
class Refusals:
    """Two servers whose devices refuse what is asked for, and what came of it."""

    two: Pair
    points: dict[str, CrashPoint]
    folder: Path
    ledger: Ledger = field(default_factory=Ledger)
    refused: int = 0
    wrong: list[str] = field(default_factory=list)

    # EIO: nothing is acknowledged any more, the process ends, a restart mends

    def syncs_of_mail(self, numbers: Sequence[int]) -> None:
        """Refuse one sync while a stranger's mails come in, one after the other."""
        for number in numbers:
            self._warm_up("b")
            with self._that_must_end("b", f"mail, sync {number}", number):
                self._write_mails(number + 20)

    def _warm_up(self, name: str) -> None:
        """Let the first commit of a process be over.

        With it SQLite syncs the directory of its journal, and ignores a failure; the
        store has done that itself before, and has not ignored it.
        """
        to = self.two.address({"a": "alice", "b": "bob"}[name])
        port = self.two.programs.port(name, "smtp")
        with smtplib.SMTP("127.0.0.1", port, timeout=30) as smtp:
            smtp.sendmail("carol@elsewhere.example", [to], MAIL.format("warm"))

    def _write_mails(self, most: int) -> None:
        """Write mails until one fails."""
        two, point = self.two, self.points["b"]
        with suppress(OSError, smtplib.SMTPException):
            port = two.programs.port("b", "smtp")
            with smtplib.SMTP("127.0.0.1", port, timeout=30) as smtp:
                for _ in range(most):
                    subject = secrets.token_hex(8)
                    failed, syncs = point.fired, point.count
                    smtp.sendmail(
                        "carol@elsewhere.example",
                        [two.address("bob")],
                        MAIL.format(subject),
                    )
                    self.ledger.mails["bob"].add(subject)
                    # The sync that failed may be one of what went before.
                    only_that = point.fired and point.count == syncs + 1
                    if failed or only_that:
                        text = f"mail {subject} was acknowledged without a sync"
                        self.wrong.append(text)

    def syncs_of(self, operation: Operation, most: int = MOST) -> None:
        """Refuse each sync of an operation, one in each run."""
        point = self.points[operation.server]
        for number in range(1, most + 1):
            what = f"{operation.name}, sync {number}"
            case = self._prepared(operation)
            self._warm_up(operation.server)
            with self._that_must_end(operation.server, what, number, or_none=True):
                acknowledged = operation.act(case)
            found = operation.judge(case, acknowledged)
            self.wrong += [f"{what}: {each}" for each in found]
            if not point.fired:
                break

    @contextmanager
    def _that_must_end(
        self, name: str, what: str, number: int, *, or_none: bool = False
    ) -> Iterator[None]:
        """Refuse one sync of a server, which must end; it is started again at once.

        ``or_none``: unless there is no such sync.
        """
        point = self.points[name]
        with self.two.kept_alive(name) as ends:
            point.fail(errno.EIO, Calls.SYNC, number, number)
            yield
            if point.fired:
                self.refused += 1
                self._must_have_ended(name, what, ends)
            elif not or_none:
                self.wrong.append(f"{what}: there was no such sync")
            point.disarm()

    def _must_have_ended(self, name: str, what: str, ends: list[int]) -> None:
        try:
            eventually(lambda: ends, "it ends", ENDING)
        except AssertionError:
            self.wrong.append(f"{what}: the server goes on")
            self.two.kill(name)
            return
        if ends != [os.EX_IOERR]:
            self.wrong.append(f"{what}: the server ended with status {ends}")

    # ENOSPC: refused for now, others go on, and all comes back by itself

    def writes_of(
        self, operation: Operation, numbers: Sequence[int] = SOME_WRITES
    ) -> None:
        """Refuse one write of an operation in each run, as long as there are."""
        point = self.points[operation.server]
        for number in numbers:
            case = self._prepared(operation)
            with self.two.kept_alive(operation.server) as ends:
                point.fail(errno.ENOSPC, Calls.WRITE, number, number)
                acknowledged = operation.act(case)
                was_refused = point.fired > 0
                point.disarm()
            what = f"{operation.name}, write {number}"
            if ends:
                self.wrong.append(f"{what}: the server ended with status {ends}")
            found = operation.judge(case, acknowledged)
            self.wrong += [f"{what}: {each}" for each in found]
            if not was_refused:
                break
            self.refused += 1

    def full_device(self, seconds: float = 3.0) -> None:
        """Leave no room at server b for a while: mail, a push, and reading."""
        case = new_case(self.two, self.folder)
        operation = next(o for o in OPERATIONS if o.name == "receive a push")
        operation.prepare(case)
        point = self.points["b"]
        port = self.two.programs.port("b", "smtp")
        with smtplib.SMTP("127.0.0.1", port, timeout=30) as smtp:
            self.two.terminal("bob", "accept", str(case.offer()))
            point.fail(errno.ENOSPC, Calls.WRITE)
            until = time.monotonic() + seconds
            while time.monotonic() < until:
                self._must_be_refused_for_now(smtp)
                self.two.ask("bob", "ls")  # who only reads goes on
            self.refused += point.fired
            point.disarm()
            smtp.sendmail("c@d.example", [self.two.address("bob")], MAIL.format("back"))
        self.wrong += [f"full: {each}" for each in operation.judge(case, False)]

    def _must_be_refused_for_now(self, smtp: smtplib.SMTP) -> None:
        try:
            smtp.sendmail("c@d.example", [self.two.address("bob")], MAIL.format("full"))
        except smtplib.SMTPDataError as error:
            if error.smtp_code != 452:
                self.wrong.append(f"full: refused with {error.smtp_code}, not 452")
        except smtplib.SMTPException as error:
            self.wrong.append(f"full: {error!r}")
        else:
            self.wrong.append("full: mail was acknowledged")
        smtp.rset()

    def _prepared(self, operation: Operation) -> Case:
        case = new_case(self.two, self.folder)
        operation.prepare(case)
        return case

    def at_rest(self) -> None:
        """Look at everything once more."""
        self.wrong += checks.settle(self.two, 60.0)
        self.wrong += checks.everything(self.two, self.ledger)


def _refuse_syncs(refusals: Refusals, operations: Operations) -> int:
    refusals.syncs_of_mail((1, 2, 3, *range(20, 80, 5)))
    for operation in operations:
        refusals.syncs_of(operation)
    return refusals.refused


def _refuse_writes(refusals: Refusals, operations: Operations) -> int:
    before = refusals.refused
    for operation in operations:
        refusals.writes_of(operation)
    refusals.full_device()
    return refusals.refused - before


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="part of an operation's name")
    options = parser.parse_args()
    chosen = [each for each in FROM_TERMINALS if options.only in each.name]
    if compiler() is None:
        print("device errors: skipped, there is no C compiler")
        return 0
    did, began = dict[str, int | float | str](), time.monotonic()
    with told.scratch("device-errors") as folder:
        points = prepared(folder)
        environment = {name: point.environment for name, point in points.items()}
        with pair(folder / "playground", environment=environment) as two:
            refusals = Refusals(two, points, folder)
            did["refused syncs"] = _refuse_syncs(refusals, chosen)
            print(f"device errors: {did}", *refusals.wrong, sep="\n  ", flush=True)
            did["refused writes"] = _refuse_writes(refusals, chosen)
            refusals.at_rest()
            if refusals.wrong:
                told.keep_logs(folder, {n: two.server(n).log for n in ("a", "b")})
    did["acknowledged mails"] = refusals.ledger.acknowledged["mails"]
    did["seconds"] = round(time.monotonic() - began)
    return told.verdict("device errors", did, refusals.wrong)


if __name__ == "__main__":
    sys.exit(main())
