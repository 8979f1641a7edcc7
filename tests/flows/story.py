# SPDX-License-Identifier: Apache-2.0
"""The main story in steps that several flows share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.flows.programs import Programs, eventually


def offer_at(programs: Programs, name: str, file_name: str) -> dict[str, Any]:
    """Wait for an open offer of ``file_name`` at an account and return it."""

    def look() -> dict[str, Any] | None:
        for offer in programs.mshare(name, "offers", "--json").json:
            if offer["name"] == file_name:
                return dict(offer)
        return None

    return eventually(look, f"{name} is offered {file_name}")


def item_at(
    programs: Programs, name: str, file_name: str, size: int | None = None
) -> dict[str, Any]:
    """Wait for a received item at an account and return it."""

    def look() -> dict[str, Any] | None:
        for item in programs.mshare(name, "ls", "--json").json:
            if item["name"] == file_name and size in (None, item["size"]):
                return dict(item)
        return None

    return eventually(look, f"{name} has {file_name}")


def transfer_of(
    programs: Programs, name: str, file_name: str, state: str
) -> dict[str, Any]:
    """Wait until the newest transfer of a file is in ``state`` and return it."""

    def look() -> dict[str, Any] | None:
        found = [
            t
            for t in programs.mshare(name, "status", "--json").json
            if t["name"] == file_name
        ]
        return dict(found[-1]) if found and found[-1]["state"] == state else None

    return eventually(look, f"{file_name} of {name} is {state}")


def share(programs: Programs, file: Path, folder: Path) -> Path:
    """Send ``file`` from alice to bob, accept, fetch; return where it landed."""
    programs.mshare("alice", "send", file, programs.account("bob")["address"])
    offer = offer_at(programs, "bob", file.name)
    programs.mshare("bob", "accept", offer["id"])
    item = item_at(programs, "bob", file.name, file.stat().st_size)
    target = folder / "fetched"
    programs.mshare("bob", "get", item["id"], "-o", target)
    return target
