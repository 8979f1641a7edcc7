# SPDX-License-Identifier: Apache-2.0
"""Terminals whose way to their server stalls or breaks, running beside a test."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.flows.programs import BIN, Programs
from tests.flows.proxy import CountingProxy


@contextmanager
def leg(
    programs: Programs,
    name: str,
    listener: str,
    *,
    hold_after: int | None = None,
    holding: str = "up",
) -> Iterator[CountingProxy]:
    """Let an account's terminal reach one listener through a proxy; it may stall."""
    profile = Path(programs.account(name)["profile"]) / "profile.toml"
    text = profile.read_text()
    port = programs.port(name, listener)
    assert f":{port}" in text
    with CountingProxy(port, hold_after=hold_after, holding=holding) as proxy:
        profile.write_text(text.replace(f":{port}", f":{proxy.port}"))
        try:
            yield proxy
        finally:
            profile.write_text(text)


@contextmanager
def running(
    programs: Programs, name: str, *words: str | Path
) -> Iterator[subprocess.Popen[bytes]]:
    """Run an account's ``mshare`` beside us."""
    with subprocess.Popen(
        [
            str(BIN / "mshare"),
            "--profile",
            programs.account(name)["profile"],
            *map(str, words),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            yield process
        finally:
            process.kill()
