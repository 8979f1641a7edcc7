# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C while a program is still being loaded."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import terminal_client
from maild import playground

INTERRUPTED_AT = """
import os, signal, sys

class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupt())
from {package}.entry import main
sys.exit(main())
"""


@pytest.mark.parametrize("package", ["maild", "terminal_client"])
@pytest.mark.parametrize("module", ["typer", "ssl", "maild.mail.address"])
def test_an_interrupted_start_is_quiet(package: str, module: str) -> None:
    program = INTERRUPTED_AT.format(package=package, module=module)
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (130, "", "")


DAEMON_ENDED_AT = """
import os, sys

class Ending:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), {number})

sys.meta_path.insert(0, Ending())
sys.argv = ["daemon", {file!r}]
from maild.daemon import main
sys.exit(main())
"""

EXECUTED = """
import os, sys

def replace(program, words, real=os.execv):
    os.kill(os.getpid(), {number})
    real(program, words)

os.execv = replace
from maild.cli import main
sys.exit(main(["serve", "--config", {file!r}]))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("module", ["ssl", "maild.app", "maild.smtpd.server", None])
def test_a_server_that_is_ended_while_it_starts_is_quiet(
    tmp_path: Path, number: signal.Signals, module: str | None
) -> None:
    """With no module: between `maild serve` and what that becomes."""
    made = playground.make(tmp_path / "playground")
    file = str(made.folder / "b.toml")
    program = (EXECUTED if module is None else DAEMON_ENDED_AT).format(
        module=module, number=int(number), file=file
    )
    ran = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (os.EX_OK, "", "")


@pytest.mark.parametrize("listener", ["smtp", "imap", "http"])
def test_an_address_that_is_taken_is_named(tmp_path: Path, listener: str) -> None:
    made = playground.make(tmp_path / "playground")
    with socket.create_server(("127.0.0.1", made.ports["b"][listener])):
        ran = subprocess.run(
            [
                sys.executable,
                "-m",
                "maild",
                "serve",
                "--config",
                made.folder / "b.toml",
            ],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert ran.returncode == os.EX_UNAVAILABLE
    last = ran.stderr.splitlines()[-1]
    address = f"127.0.0.1:{made.ports['b'][listener]}"
    assert last == f"maild: cannot listen at {address}: Address already in use"


@pytest.mark.parametrize(
    ("package", "name"), [("maild", "maild"), ("terminal_client", "mshare")]
)
def test_both_entries_lead_to_the_program(package: str, name: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", package, "--version"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (os.EX_OK, "")
    assert ran.stdout.startswith(f"{name} ")


def test_the_sdk_exports_what_it_says() -> None:
    for name in terminal_client.__all__:
        assert getattr(terminal_client, name).__name__ == name
    with pytest.raises(AttributeError):
        terminal_client.Nothing  # noqa: B018 - the access is the test
