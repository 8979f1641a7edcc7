# SPDX-License-Identifier: Apache-2.0
"""Error codes (seed: "look it up on the official website"): explained, and offline."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from maild.mail.codes import MEANINGS
from tests.flows.plain import submission
from tests.flows.programs import BIN, Programs, codes_of
from tests.flows.story import offer_at, transfer_of

OFFLINE = """
import sys

def no_socket(event, arguments):
    if event.startswith("socket."):
        raise SystemExit(f"it uses {{event}}")

sys.addaudithook(no_socket)
from {package}.entry import main
sys.exit(main())
"""
"""Runs a command that may not so much as make a socket."""


def explained(package: str, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", OFFLINE.format(package=package), "explain", *words],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, (words, done.stdout, done.stderr)
    return done.stdout


def test_every_code_of_the_logs_is_explained(
    programs: Programs, tmp_path: Path
) -> None:
    """What goes wrong here and all that went wrong before, in both servers' logs.

    The servers of every other flow are asked the same when they are stopped.
    """
    file = tmp_path / "wrong.bin"
    file.write_bytes(os.urandom(1000))
    programs.mshare("alice", "send", file, "nobody@b.example")
    transfer_of(programs, "alice", file.name, "failed")
    programs.mshare("alice", "send", file, "bob@b.example")
    programs.mshare("bob", "decline", offer_at(programs, "bob", file.name)["id"])
    with submission(programs, "alice") as smtp:
        refusals = [
            smtp.docmd(command)[1].decode()
            for command in (
                "MAIL FROM:<bob@b.example>",
                "MAIL FROM:<alice@a.example> BODY=WHAT",
                "RCPT TO:<bob@b.example>",
                "NONSENSE",
            )
        ]
    logs = [line for server in programs.servers.values() for line in server.log]
    codes = codes_of([*logs, *refusals])
    print(sorted(codes))
    assert {"5.1.1", "5.7.1"} <= codes
    assert len(codes) >= 5
    for code in codes:
        for package in ("maild", "terminal_client"):
            assert explained(package, code).startswith(f"{code}  ")


@pytest.mark.parametrize("package", ["maild", "terminal_client"])
def test_a_whole_line_of_a_log_is_explained(package: str) -> None:
    line = "dsn=4.4.1, status=deferred (connect to b.example: refused)"
    assert "4.4.1" in explained(package, line)


def test_all_of_them() -> None:
    """`maild explain` without a code lists what there is."""
    every = json.loads(explained("maild", "--json"))
    assert len(every) > 30
    assert all(MEANINGS[each["code"]].title == each["title"] for each in every)


def test_a_code_that_nobody_knows() -> None:
    done = subprocess.run(
        [str(BIN / "mshare"), "explain", "5.99.99"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert "5.99.99" in done.stderr
