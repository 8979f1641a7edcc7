# SPDX-License-Identifier: Apache-2.0
"""No room, on the device or in a quota: what comes waits, and goes on by itself."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.flows.programs import (
    BIN,
    Programs,
    edit,
    eventually,
    playground,
    sha256,
)
from tests.flows.proxy import CountingProxy
from tests.flows.story import item_at, offer_at, transfer_of

SIZE = 24_000_000
WAIT = 1.0
"""Seconds until a server that has refused for want of room is asked again."""


def a_file(folder: Path, name: str, size: int = SIZE) -> Path:
    path = folder / name
    path.write_bytes(os.urandom(size))
    return path


@contextmanager
def small_store(folder: Path, proxies: list[CountingProxy]) -> Iterator[Programs]:
    """Two servers: b's store on a device of 48 MiB, b's listener behind a proxy."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    store = folder / "small"
    store.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(store)]
    subprocess.run(mount, check=True)

    def change(made: Path) -> None:
        edit(made / "b.toml", "server", store=str(store))
        edit(made / "a.toml", "delivery", retry_first=WAIT, retry_most=WAIT)
        facts = json.loads((made / "playground.json").read_text())
        for account in facts["accounts"].values():
            if account["server"] == "b":
                subprocess.run(
                    [str(BIN / "maild"), "account", "--config", str(made / "b.toml"),
                     "add", account["address"], "--password-stdin"],
                    input=account["password"] + "\n",
                    text=True, check=True, capture_output=True,
                )  # fmt: skip
        proxies.append(
            CountingProxy(facts["servers"]["b"]["smtp"], hold_after=18_000_000)
        )
        address = f"127.0.0.1:{proxies[0].port}"
        edit(made / "a.toml", 'peer."b.example"', address=address)

    try:
        with (
            playground(folder / "playground", change=change) as programs,
            proxies[0],
        ):
            yield programs
    finally:
        subprocess.run(["umount", "-l", str(store)], check=True)


def test_a_full_device_in_the_middle(tmp_path: Path) -> None:
    """What has landed stays, others go on, and it goes on there by itself."""
    file, proxies = a_file(tmp_path, "middle.bin"), list[CountingProxy]()
    with small_store(tmp_path, proxies) as programs:
        filler = tmp_path / "small" / "filler"
        programs.mshare("alice", "send", file, "bob@b.example")
        programs.mshare("bob", "accept", offer_at(programs, "bob", file.name)["id"])
        assert proxies[0].held.wait(60)
        with filler.open("wb", buffering=0) as full:
            with suppress(OSError):
                while full.write(b"x" * 65536):
                    pass
            full.truncate(full.tell() - 3_500_000)  # a little, for others
        proxies[0].release()
        found = transfer_of(programs, "alice", file.name, "deferred")
        assert found["status"] == "4.3.1"
        assert programs.servers["b"].lines("452 4.3.1")
        # Others go on: a small file fits.
        small = a_file(tmp_path, "small.bin", 20_000)
        programs.mshare("alice", "send", small, "bob@b.example")
        programs.mshare("bob", "accept", offer_at(programs, "bob", small.name)["id"])
        item_at(programs, "bob", small.name, 20_000)
        filler.unlink()
        item = item_at(programs, "bob", file.name, SIZE)
        programs.mshare("bob", "get", item["id"], "-o", tmp_path / "got")
        assert sha256(tmp_path / "got") == sha256(file)
        (sent,) = programs.servers["a"].lines(rf"{found['id']}: .*status=sent")
        assert int(sent.split("offset=")[1].split(",")[0]) > 1_000_000
        assert not programs.servers["b"].lines("Traceback")


def test_a_quota_at_the_receiver(tmp_path: Path) -> None:
    """An offer that does not fit stays open; a push waits for a larger quota."""

    def change(made: Path) -> None:
        for name in ("a.toml", "b.toml"):
            edit(made / name, "delivery", retry_first=WAIT, retry_most=WAIT)

    file = a_file(tmp_path, "quota.bin", 3_000_000)
    with playground(tmp_path / "playground", change=change) as programs:
        quota = ("account", "quota", "bob@b.example")
        programs.maild("b", *quota, "2Mi")
        programs.mshare("alice", "send", file, "bob@b.example")
        offer = offer_at(programs, "bob", file.name)
        told = programs.mshare("bob", "accept", offer["id"], expect=69)
        assert "make room" in told.err
        assert offer_at(programs, "bob", file.name) == offer
        programs.maild("b", *quota, "4Mi")
        programs.servers["a"].stop()  # so that the quota can change before it pushes
        programs.mshare("bob", "accept", offer["id"])
        programs.maild("b", *quota, "2Mi")
        programs.servers["a"].start()
        found = transfer_of(programs, "alice", file.name, "deferred")
        assert found["status"] == "4.2.2"
        programs.maild("b", *quota, "8Mi")
        item_at(programs, "bob", file.name, 3_000_000)
        shown = programs.maild("b", *quota, "--json").json
        assert 3_000_000 < shown["used"] < 3_100_000
        assert shown["reserved"] == 0


def test_a_quota_at_the_sender(tmp_path: Path) -> None:
    file = a_file(tmp_path, "own.bin", 3_000_000)
    with playground(tmp_path / "playground") as programs:
        programs.maild("a", "account", "quota", "alice@a.example", "2Mi")
        told = programs.mshare("alice", "upload", file, expect=69)
        assert "5.2.2" in told.err
        assert "no room that is made will do" in told.err
        programs.maild("a", "account", "quota", "alice@a.example", "4Mi")
        programs.mshare("alice", "upload", file)
        other = a_file(tmp_path, "other.bin", 3_000_000)
        told = programs.mshare("alice", "upload", other, expect=75)
        assert "4.2.2" in told.err
        eventually(lambda: programs.mshare("alice", "ls", "--json").json, "one item")
