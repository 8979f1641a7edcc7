# SPDX-License-Identifier: Apache-2.0
"""People at work: alice uploads and sends, bob accepts and fetches, strangers write."""

from __future__ import annotations

import os
import random
import secrets
import smtplib
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.soak.ledger import File, Ledger
from tests.soak.legs import AWAY
from tests.soak.pair import Pair, Said, digest, fresh_name, new_file

Role = Callable[[random.Random], None]

MiB = 1 << 20
MIXED = (0, 1, 1000, 64 * 1024, 64 * 1024 + 1, MiB, 5 * MiB, 16 * MiB + 1, 64 * MiB)
"""Sizes around every border: nothing, inline, one segment, one watermark, several."""
SELDOM = (4, 4, 4, 4, 4, 4, 3, 2, 1)
"""How often each of them comes."""
AGAIN = 0.7
"""How likely a person tries again what did not work."""


class Traffic:
    """Threads that go on until they are told to stop, whatever is killed."""

    def __init__(
        self,
        pair: Pair,
        ledger: Ledger,
        folder: Path,
        seed: int,
        sizes: Sequence[int] = MIXED,
        weights: Sequence[int] = SELDOM,
    ) -> None:
        self.pair = pair
        self.ledger = ledger
        self._folder = folder
        self._seed = seed
        self._sizes = sizes
        self._weights = weights
        self._stopping = threading.Event()
        self._sending_is_over = threading.Event()
        self._senders: list[threading.Thread] = []

    def sender(self, chance: random.Random) -> None:
        """Be alice: upload or send one file after the other."""
        while not self._sending_is_over.is_set():
            (size,) = chance.choices(self._sizes, self._weights)
            path = new_file(self._folder, fresh_name(size), size)
            file = self.ledger.add(path.name, size, digest(path))
            while not self._once(file, path, sends=chance.random() < 0.8):
                if self._sending_is_over.is_set() or chance.random() > AGAIN:
                    break
            path.unlink()

    def _once(self, file: File, path: Path, *, sends: bool) -> bool:
        if not sends:
            said = self.pair.terminal("alice", "upload", path)
            file.uploaded |= said.status == os.EX_OK
            return self._is_well(said)
        bob = self.pair.address("bob")
        said = self.pair.terminal("alice", "send", path, bob, "--json")
        if said.status == os.EX_OK:
            self.ledger.sent(file, said.json["transfers"][0]["id"])
        return self._is_well(said)

    def accepter(self, chance: random.Random) -> None:
        """Be bob: accept whatever is offered."""
        while not self._stopping.is_set():
            said = self.pair.terminal("bob", "offers", "--json")
            if not self._is_well(said):
                continue
            offers = [offer["id"] for offer in said.json]
            for again in self.ledger.accepted.intersection(offers):
                self.ledger.complain(f"offer {again} is open again")
            chosen = chance.sample(offers, min(len(offers), chance.randint(1, 8)))
            if not chosen:
                self._stopping.wait(0.3)
            elif self._is_well(self.pair.terminal("bob", "accept", *chosen)):
                self.ledger.accepted.update(chosen)

    def fetcher(self, chance: random.Random) -> None:
        """Be bob at another terminal: download what has come."""
        while not self._stopping.is_set():
            said = self.pair.terminal("bob", "ls", "--json")
            news = [
                item
                for item in (said.json if self._is_well(said) else [])
                if item["name"] in self.ledger.files
                and item["id"] not in self.ledger.fetched
            ]
            if news:
                item = chance.choice(news)
                if item["arriving"]:
                    self.ledger.followed.add(item["id"])
                self._fetch(item["id"], item["name"])
            else:
                self._stopping.wait(0.3)

    def _fetch(self, item: str, name: str) -> None:
        target = self._folder / f"fetched-{item}"  # killed, it goes on there
        self.ledger.begun[item] = self.ledger.files[name].size
        said = self.pair.terminal(AWAY, "get", item, "-o", target)
        if target.exists():
            if digest(target) != self.ledger.files[name].sha256:
                self.ledger.complain(f"{name}: fetched, but it is not what was sent")
            target.unlink()
            self.ledger.fetched.add(item)
        elif said.status == os.EX_OK:
            self.ledger.complain(f"{name}: fetched, but there is no file")
        elif said.status == os.EX_DATAERR:
            self.ledger.complain(f"{name}: cannot be fetched: {said.err.strip()}")

    def stranger_to(self, who: str) -> Role:
        """Be another mail server: small ordinary mail, one after the other."""

        def role(chance: random.Random) -> None:
            while not self._stopping.is_set():
                with suppress(OSError, smtplib.SMTPException):
                    self._write_mails(chance, who)
                self._stopping.wait(0.05)

        return role

    def _write_mails(self, chance: random.Random, who: str) -> None:
        port = self.pair.programs.port(who, "smtp")
        to = self.pair.address(who)
        with smtplib.SMTP("127.0.0.1", port, timeout=30) as smtp:
            while not self._stopping.is_set():
                subject = secrets.token_hex(8)
                body = "x" * 60 + "\r\n"
                text = f"Subject: {subject}\r\n\r\n{body * chance.randrange(1, 50)}"
                smtp.sendmail("carol@elsewhere.example", [to], text)
                self.ledger.mails[who].add(subject)

    def people(self, *, few: bool = False) -> list[Role]:
        """Return who works: everybody, or just enough for items to move."""
        everybody: list[Role] = [self.sender, self.accepter, self.sender, self.fetcher]
        return everybody[:2] if few else everybody

    @contextmanager
    def going_on(self, *roles: Role) -> Iterator[None]:
        """Let people work while the caller breaks things."""
        failures: list[BaseException] = []

        def work(role: Role, number: int) -> None:
            try:
                role(random.Random(f"{self._seed} {number}"))
            except BaseException as error:  # noqa: BLE001 - told by the main thread
                failures.append(error)

        threads = [
            threading.Thread(target=work, args=(role, number))
            for number, role in enumerate(roles)
        ]
        pairs = zip(roles, threads, strict=True)
        self._senders = [thread for role, thread in pairs if role == self.sender]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._sending_is_over.set()
            self._stopping.set()
            for thread in threads:
                thread.join()
        if failures:
            raise failures[0]

    def end_sending(self) -> None:
        """Send nothing more; what is under way goes on."""
        self._sending_is_over.set()
        for thread in self._senders:
            thread.join()

    def _is_well(self, said: Said) -> bool:
        """Whether a terminal reached its end; a programming error is a finding."""
        if "Traceback" in said.err:
            self.ledger.complain(f"a terminal broke: {said.err[-600:]}")
        return said.status == os.EX_OK
