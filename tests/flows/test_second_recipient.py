# SPDX-License-Identifier: Apache-2.0
"""The upload check (seed 211-212): what is there already is not uploaded again."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.flows.programs import Programs, playground
from tests.flows.proxy import CountingProxy
from tests.flows.story import offer_at

POCKET = 8 * 1024
"""Octets that a share of an uploaded file may cost the terminal's leg."""


@contextmanager
def counted_leg(folder: Path) -> Iterator[tuple[Programs, list[CountingProxy]]]:
    """Alice's terminal reaches her server through counting proxies only."""
    with playground(folder) as programs, ExitStack() as stack:
        profile = Path(programs.account("alice")["profile"]) / "profile.toml"
        text = profile.read_text()
        proxies = []
        for listener in ("submission", "imap"):
            port = programs.port("alice", listener)
            proxy = stack.enter_context(CountingProxy(port))
            assert f":{port}" in text
            text = text.replace(f":{port}", f":{proxy.port}")
            proxies.append(proxy)
        profile.write_text(text)
        yield programs, proxies


def octets(proxies: list[CountingProxy]) -> int:
    return sum(proxy.total for proxy in proxies)


def table_1(programs: Programs) -> sqlite3.Connection:
    folder = Path(programs.account("alice")["profile"])
    (file,) = folder.glob("*.sqlite")
    return sqlite3.connect(file)


def test_a_second_recipient_costs_a_pocketful(tmp_path: Path) -> None:
    file = tmp_path / "once.bin"
    file.write_bytes(os.urandom(5_000_000))
    with counted_leg(tmp_path / "playground") as (programs, proxies):
        programs.mshare("alice", "send", file, "bob@b.example")
        assert octets(proxies) > 5_000_000
        before = octets(proxies)
        programs.mshare("alice", "send", file, "carol@b.example")
        cost = octets(proxies) - before
        print(f"second recipient: {cost} octets on the terminal's leg")
        assert cost < POCKET
        offer_at(programs, "carol", file.name)


def test_the_patents_example_001_matches_and_002_does_not(tmp_path: Path) -> None:
    """Tables 1 and 2: 001/Aaa123 on both sides: flag yes; 002 differs: flag no."""
    first, second = tmp_path / "first.jpg", tmp_path / "second.jpg"
    first.write_bytes(os.urandom(400_000))
    second.write_bytes(os.urandom(400_000))
    with counted_leg(tmp_path / "playground") as (programs, proxies):
        programs.mshare("alice", "upload", first)
        programs.mshare("alice", "upload", second)
        with table_1(programs) as table:
            rows = table.execute(
                "SELECT number, code, path FROM table1 ORDER BY number"
            )
            assert [(r[0], Path(r[2]).name) for r in rows] == [
                (1, "first.jpg"),
                (2, "second.jpg"),
            ]
            table.execute("UPDATE table1 SET code = 'Bbb456' WHERE number = 2")
        table.close()

        before = octets(proxies)
        matched = programs.mshare("alice", "send", "--json", first, "bob@b.example")
        assert octets(proxies) - before < POCKET
        assert matched.json["uploaded"] is False

        before = octets(proxies)
        differing = programs.mshare("alice", "send", "--json", second, "bob@b.example")
        assert octets(proxies) - before > 400_000
        assert differing.json["uploaded"] is True


def test_a_file_edited_in_place_is_uploaded_again(tmp_path: Path) -> None:
    """The code alone is blind to it: size, time and digest are not."""
    file = tmp_path / "edited.bin"
    file.write_bytes(b"a" * 300_000)
    with counted_leg(tmp_path / "playground") as (programs, proxies):
        programs.mshare("alice", "upload", file)
        file.write_bytes(b"b" * 300_000)
        before = octets(proxies)
        sent = programs.mshare("alice", "send", "--json", file, "bob@b.example")
        assert sent.json["uploaded"] is True
        assert octets(proxies) - before > 300_000
