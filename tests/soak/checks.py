# SPDX-License-Identifier: Apache-2.0
"""What must hold when everything has come to rest: the ledger against the servers."""

from __future__ import annotations

import imaplib
import os
import re
import time
from collections import Counter, defaultdict
from contextlib import suppress
from typing import Any

from maild.mail.transfer import FINAL, Kind, State
from maild.store import trace
from tests.flows.programs import eventually
from tests.soak.ledger import Ledger
from tests.soak.pair import Pair, opened, sweep

TELLING = 30.0
"""Seconds after a failure in which its notice has to come."""


def settle(pair: Pair, patience: float) -> list[str]:
    """Wait until no transfer of either server can move; say which still could.

    ``patience`` is how many seconds may pass in which none comes nearer to its end:
    none ends, none is answered, no octet lands.  However long it takes in all.
    """
    before = None
    deadline = time.monotonic() + patience
    while True:
        moving = [t for n in ("a", "b") for t in pair.queue(n) if t.state not in FINAL]
        now = {(t.id, t.octets, t.ticket, t.state is State.OFFERED) for t in moving}
        if now != before:
            before, deadline = now, time.monotonic() + patience
        if not moving or time.monotonic() > deadline:
            return [
                f"{t.id} {t.kind} is {t.state} ({t.octets} of {t.size}, "
                f"{t.attempts} attempts, {t.reply})"
                for t in moving
            ]
        time.sleep(0.3)


def everything(pair: Pair, ledger: Ledger, *, again: bool = False) -> list[str]:
    """Return what is wrong with servers at rest; stops them to look at their files.

    They are started ``again`` only when there is something left to do.
    """
    wrong = list(ledger.wrong)
    wrong += _uploads(pair, ledger)
    wrong += _transfers(pair, ledger)
    wrong += _mails(pair, ledger)
    wrong += _told_once(pair)
    for name in ("a", "b"):
        wrong += store(pair, name, again=again)
    return wrong


def _uploads(pair: Pair, ledger: Ledger) -> list[str]:
    own = [item for item in pair.ask("alice", "ls") if item["own"]]
    held = {item["name"]: item for item in own}
    wrong = [
        f"{name}: alice has it {count} times"
        for name, count in Counter(item["name"] for item in own).items()
        if count > 1
    ]
    for file in ledger.files.values():
        item = held.get(file.name)
        if item is None and file.uploaded:
            wrong.append(f"{file.name}: its upload was acknowledged, and it is lost")
        elif item is not None and item["size"] != file.size:
            wrong.append(f"{file.name}: {item['size']} octets of it are there")
        elif item is not None and item["sha256"] not in (None, file.sha256):
            wrong.append(f"{file.name}: what is there is not what was uploaded")
    return wrong


def _transfers(pair: Pair, ledger: Ledger) -> list[str]:
    """Each transfer has ended; bob has one copy for each that was sent, no more."""
    transfers = {t["id"]: t for t in pair.ask("alice", "status")}
    wrong = [
        f"{file.name}: transfer {lost} was acknowledged, and it is lost"
        for file in ledger.files.values()
        for lost in file.transfers - transfers.keys()
    ]
    sent = Counter(t["name"] for t in transfers.values() if t["state"] == "sent")
    copies: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for item in pair.ask("bob", "ls"):
        if not item["own"]:
            copies[item["name"]].append(item)
    for file in ledger.files.values():
        got = copies[file.name]
        if len(got) != sent[file.name]:
            count = sent[file.name]
            wrong.append(f"{file.name}: sent {count} times, there {len(got)} times")
        wrong += [
            f"{file.name}: bob has something else under its name"
            for item in got
            if (item["size"], item["sha256"] or file.sha256) != (file.size, file.sha256)
        ]
    return wrong + _failures(pair, list(transfers.values()))


def _failures(pair: Pair, transfers: list[dict[str, Any]]) -> list[str]:
    """Of each transfer that was not sent, alice has been told, or is told soon."""
    failed = [t for t in transfers if t["state"] in ("failed", "expired", "declined")]
    if not failed:
        return []

    def untold() -> list[str]:
        subjects = [letter["subject"] for letter in pair.ask("alice", "inbox")]
        return [
            f"{t['name']}: {t['state']}, and no notice says so"
            for t in failed
            if not any(t["name"] in subject for subject in subjects)
        ]

    with suppress(AssertionError):
        eventually(lambda: not untold(), "all is told", TELLING)
    return untold()


def _told_once(pair: Pair) -> list[str]:
    """Each transfer that was sent has one event that says so, and at most one line.

    The line is written behind the commit: a kill in between takes it for ever.
    """
    wrong = []
    for name in ("a", "b"):
        sent = [t for t in pair.queue(name) if t.state is State.SENT]
        lines = Counter(
            found[1]
            for line in pair.server(name).log
            if (found := re.search(r": (\S+): to=<.* status=sent ", line))
        )
        with opened(pair.store_of(name)) as store:
            for transfer in sent:
                story = store.index.read_here(trace.story, transfer.id)
                told = [
                    event
                    for event in story
                    if event.subject == transfer.id and event.text.startswith("sent ")
                ]
                if len(told) != 1 or lines[transfer.id] > 1:
                    wrong.append(
                        f"{transfer.id} {transfer.kind}: {len(told)} events and "
                        f"{lines[transfer.id]} lines say that it was sent"
                    )
    return wrong


def wanted(pair: Pair, ledger: Ledger) -> dict[str, int]:
    """Return the octets that had to cross each leg."""
    pushed = [t for t in pair.queue("a") if t.kind is Kind.SHARE and t.ticket]
    return {
        "upload": sum(file.size for file in ledger.files.values()),
        "push": sum(transfer.size for transfer in pushed),
        "download": sum(ledger.begun.values()),
    }


def _mails(pair: Pair, ledger: Ledger) -> list[str]:
    return [
        f"mail {subject} to {who} was acknowledged, and it is lost"
        for who, acknowledged in ledger.mails.items()
        for subject in acknowledged - subjects(pair, who)
    ]


def subjects(pair: Pair, who: str) -> set[str]:
    """Return the Subject of everything in somebody's INBOX that a stranger wrote."""
    account = pair.programs.account(who)
    with imaplib.IMAP4_SSL(
        "localhost", pair.programs.port(who, "imap"), ssl_context=pair.programs.tls
    ) as imap:
        imap.login(account["address"], account["password"])
        _, counts = imap.select("INBOX", readonly=True)  # more than one: mail comes
        if not int(counts[-1] or b"0"):
            return set()
        _, found = imap.fetch("1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
    text = b"".join(line[1] for line in found if isinstance(line, tuple)).decode()
    return set(re.findall(r"(?m)^Subject: ([0-9a-f]{16})\r?$", text))


def store(pair: Pair, name: str, *, again: bool = True) -> list[str]:
    """Stop a server; its store must be sound, before and after a sweep of any age."""
    if not pair.is_alive(name):
        return [f"server {name} does not run"]
    pair.server(name).stop()
    wrong = fsck(pair, name)
    wrong += [f"server {name}: {each}" for each in sweep(pair.store_of(name))]
    if again:
        pair.start(name)
    return wrong


def fsck(pair: Pair, name: str) -> list[str]:
    """Return what ``maild fsck`` finds in a server's store."""
    said = pair.operator(name, "fsck")
    if said.status == os.EX_OK:
        return []
    return [f"server {name}: fsck: {line}" for line in said.out.splitlines()[:10]]
