# SPDX-License-Identifier: Apache-2.0
"""The source terminal: mshare, plain imaplib and smtplib, or a script; one result."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.flows.plain import content, find, mailbox, submission, upload, url_of
from tests.flows.programs import Programs, eventually, sha256
from tests.flows.story import item_at, offer_at

SCRIPT = """\
import asyncio, sys
from pathlib import Path
from terminal_client import Terminal

async def main(sender, recipient, file, target):
    async with Terminal.open(sender) as alice, Terminal.open(recipient) as bob:
        item = await alice.upload(Path(file))
        (sent,) = await alice.send(item, "bob@b.example")
        accepted = False
        while not accepted:
            async for waiting in bob.offers():
                if waiting.offer.name == item.name:
                    await bob.accept(waiting.offer.id)
                    accepted = True
        async for (transfer,) in alice.follow(sent.id, interval=0.1):
            print(transfer.state)
        (received,) = [i for i in await bob.items() if i.name == item.name]
        await bob.get(received.id, Path(target))

asyncio.run(main(*sys.argv[1:]))
"""
"""What an application does that has the SDK in it: twenty lines."""


def test_the_same_story_three_times(programs: Programs, tmp_path: Path) -> None:
    octets = os.urandom(1_500_001)
    files = {
        way: tmp_path / f"{way}-terminal.dat" for way in ("mshare", "plain", "script")
    }
    for file in files.values():
        file.write_bytes(octets)
    fetched = {way: tmp_path / f"got {way}" for way in files}
    by_mshare(programs, files["mshare"], fetched["mshare"])
    by_plain_clients(programs, files["plain"], fetched["plain"])
    by_script(programs, files["script"], fetched["script"])
    left = sha256(files["mshare"])
    assert {way: sha256(file) for way, file in fetched.items()} == dict.fromkeys(
        files, left
    )
    held = [item_at(programs, "bob", file.name, len(octets)) for file in files.values()]
    assert {item["sha256"] for item in held} == {left}


def by_mshare(programs: Programs, file: Path, target: Path) -> None:
    programs.mshare("alice", "send", file, "bob@b.example")
    programs.mshare("bob", "accept", offer_at(programs, "bob", file.name)["id"])
    item = item_at(programs, "bob", file.name, file.stat().st_size)
    programs.mshare("bob", "get", item["id"], "-o", target)


def by_plain_clients(programs: Programs, file: Path, target: Path) -> None:
    alice = programs.account("alice")["address"]
    with submission(programs, "alice") as smtp:
        upload(smtp, alice, file.name, file.read_bytes(), number="910")
        url = url_of(programs, "alice", "910")
        assert smtp.docmd(f"MAIL FROM:<{alice}>")[0] == 250
        assert smtp.docmd("RCPT TO:<bob@b.example>")[0] == 250
        assert smtp.docmd(f"BURL {url} LAST")[0] == 250
    with mailbox(programs, "bob") as box:
        criteria = ("KEYWORD", "$Offer", "SUBJECT", f'"{file.name}"')
        offer = eventually(lambda: find(box, "INBOX", *criteria), "it is offered")
        assert box.uid("MOVE", offer.decode(), "Accepted")[0] == "OK"
        item = item_at(programs, "bob", file.name, file.stat().st_size)
        target.write_bytes(content(box, str(item["uid"])))


def by_script(programs: Programs, file: Path, target: Path) -> None:
    profiles = [programs.account(name)["profile"] for name in ("alice", "bob")]
    script = target.with_suffix(".py")
    script.write_text(SCRIPT)
    assert len(SCRIPT.splitlines()) <= 23
    done = subprocess.run(
        [sys.executable, str(script), *profiles, str(file), str(target)],
        capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-1] == "sent"
