# SPDX-License-Identifier: Apache-2.0
"""Terminals whose way to their server stalls or breaks, running beside a test."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.flows.programs import BIN, Programs, edit, playground
from tests.flows.proxy import CountingProxy


@contextmanager
def leg(
    programs: Programs,
    name: str,
    listener: str,
    *,
    hold_after: int | None = None,
    holding: str = "up",
    mute_after: int | None = None,
) -> Iterator[CountingProxy]:
    """Let an account's terminal reach one listener through a proxy; it may stall."""
    profile = Path(programs.account(name)["profile"]) / "profile.toml"
    text = profile.read_text()
    port = programs.port(name, listener)
    assert f":{port}" in text
    with CountingProxy(
        port, hold_after=hold_after, holding=holding, mute_after=mute_after
    ) as proxy:
        profile.write_text(text.replace(f":{port}", f":{proxy.port}"))
        try:
            yield proxy
        finally:
            profile.write_text(text)


@contextmanager
def push_leg(
    folder: Path,
    *,
    hold_after: int | None = None,
    mute_after: int | None = None,
    rate: int | None = None,
) -> Iterator[tuple[Programs, CountingProxy]]:
    """Run two servers; what a pushes to b passes a proxy, and is tried again soon."""
    with ExitStack() as stack:

        def change(made: Path) -> None:
            facts = json.loads((made / "playground.json").read_text())
            target = facts["servers"]["b"]["smtp"]
            proxies.append(
                CountingProxy(
                    target, hold_after=hold_after, mute_after=mute_after, rate=rate
                )
            )
            address = f"127.0.0.1:{proxies[0].port}"
            edit(made / "a.toml", 'peer."b.example"', address=address)
            edit(made / "a.toml", "delivery", retry_first=0.5, retry_most=1.0)

        proxies: list[CountingProxy] = []
        programs = stack.enter_context(playground(folder, change=change))
        yield programs, stack.enter_context(proxies[0])


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
