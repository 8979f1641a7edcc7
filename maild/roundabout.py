# SPDX-License-Identifier: Apache-2.0
"""What ``maild demo --relay`` adds: numbers, a closed way, a third server between."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from maild.children import ChildError
from maild.mail.address import parse_address
from maild.mail.plain import amount
from maild.operator.console import Records
from maild.playground import (
    HOST,
    NUMBERS,
    PEOPLE,
    RENDEZVOUS,
    RENDEZVOUS_DOMAIN,
    SERVERS,
    Playground,
    number_login,
)
from maild.store import census, passages, transfers
from maild.store.house import Store
from maild.store.passages import Passage
from maild.teller import Teller

CONTENT: Final = ("incoming", "blobs")
"""The directories of a store that hold content."""


@contextmanager
def closed_way(made: Playground) -> Iterator[None]:
    """Let server a find nobody where server b should be, before they are started.

    The port is bound, so that nobody else can come to listen there.
    """
    with socket.socket() as held:
        held.bind((HOST, 0))
        config = made.folder / "a.toml"
        text = config.read_text()
        head = f'[peer."{SERVERS["b"]}"]\naddress = "{HOST}:'
        way = f'{head}{made.ports["b"]["smtp"]}"'
        if way not in text:
            raise ChildError(f"{config} names no way to {SERVERS['b']}")
        config.write_text(text.replace(way, f'{head}{held.getsockname()[1]}"'))
        yield


class Roundabout:
    """Two people who know numbers only, whose servers cannot meet."""

    def __init__(self, made: Playground, teller: Teller) -> None:
        self._made = made
        self._teller = teller

    def log_in(self) -> None:
        """Let both log in to the rendezvous, with their numbers."""
        self._teller.say(
            f"Both log in to the rendezvous {RENDEZVOUS_DOMAIN}, with their numbers."
        )
        for name in ("alice", "bob"):
            self._teller.loudly(
                self._made.profile(name),
                *number_login(self._made, name),
                "--password-stdin",
                stdin=self._made.number_passwords[name] + "\n",
            )

    def send(self, file: Path, *, is_first: bool) -> None:
        """Let alice send to bob's number; the first time he is asked who he is."""
        if is_first:
            self._ask_and_send(file)
            return
        self._teller.say("Alice sends it to bob's number; nobody is asked again.")
        self._teller.loudly(self._made.profile("alice"), "send", file, NUMBERS["bob"])

    def _ask_and_send(self, file: Path) -> None:
        alice, bob = self._made.profile("alice"), self._made.profile("bob")
        self._teller.say(
            "Alice knows bob's number only: her terminal asks for his mail address."
        )
        with self._teller.beside(alice, "send", file, NUMBERS["bob"]) as sending:

            def asked() -> Any:
                if sending.poll() is not None:
                    raise ChildError("mshare send ended before bob was asked")
                return self._teller.quietly(bob, "requests", "--json") or None

            self._teller.eventually(asked, "alice's request")
            self._teller.say(
                "Bob sees who asks, and allows it.  Nobody is asked again."
            )
            self._teller.loudly(bob, "requests")
            self._teller.loudly(bob, "accept", NUMBERS["alice"])

    def look_back(self, offer_id: str) -> None:
        """Tell which way it went, and what the rendezvous has of it now."""
        route, passed = self._route(offer_id), self._passage(offer_id)
        if route != RENDEZVOUS_DOMAIN:
            raise ChildError(f"it went another way: {route or 'direct'}")
        files = len(list(stored(self._made)))
        with _opened(self._made, RENDEZVOUS) as records:
            octets = records.read(census.count).stored
        self._teller.say(
            f"It went via={route}: {amount(passed.octets)} passed there, as TLS between"
            f" a and b.\n         What server r holds of it now: {files} files,"
            f" {octets} octets."
        )
        if files or octets:
            raise ChildError("the rendezvous has kept content")

    def _route(self, offer_id: str) -> str:
        with _opened(self._made, "a") as records:
            return records.read(transfers.get, offer_id).route

    def _passage(self, offer_id: str) -> Passage:
        """Return what the rendezvous knows of the offer, once content has passed."""
        ends = (parse_address(f"{n}@{SERVERS[PEOPLE[n]]}") for n in ("alice", "bob"))
        sender, recipient = ends
        with _opened(self._made, RENDEZVOUS) as records:

            def passed() -> Passage | None:
                found = records.read(passages.find, offer_id, sender, recipient)
                return found if found and found.octets else None

            return self._teller.eventually(passed, "the count of what passed")


def stored(made: Playground) -> Iterator[Path]:
    """Give every file of content in the rendezvous's store."""
    for name in CONTENT:
        for folder, _, files in os.walk(made.folder / RENDEZVOUS / "store" / name):
            yield from (Path(folder, file) for file in files)


@contextmanager
def _opened(made: Playground, server: str) -> Iterator[Records]:
    store = Store(made.folder / server / "store")
    store.open()
    try:
        yield Records(store)
    finally:
        store.close()
