# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C while a program is still being loaded."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

import terminal_client

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
