# SPDX-License-Identifier: Apache-2.0
"""Servers of a playground whose ways to each other are opened and closed by a test."""

from __future__ import annotations

import os
import re
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.flows.programs import Programs, eventually
from tests.flows.proxy import CountingProxy
from tests.flows.story import item_at, offer_at

RENDEZVOUS = "rcs.example"
_TLS_TYPES = b"\x14\x15\x16\x17"
"""Types of a TLS record (RFC 8446 §5.1)."""


class ClosedPort:
    """A port that is ours, at which nobody listens."""

    def __init__(self) -> None:
        self._held = socket.socket()
        self._held.bind(("127.0.0.1", 0))
        self.port: int = self._held.getsockname()[1]

    def open(self, target: int) -> CountingProxy:
        """Let it lead to a port from now on."""
        self._held.close()
        return CountingProxy(target, port=self.port)

    def close(self) -> None:
        """Give it back."""
        self._held.close()


class Recording(CountingProxy):
    """Keeps the octets of each connection and direction, as they came."""

    def __init__(self, target: int) -> None:
        super().__init__(target)
        self.heard: dict[socket.socket, bytearray] = {}

    def hear(self, source: socket.socket, octets: bytes) -> None:
        """Keep them."""
        self.heard.setdefault(source, bytearray()).extend(octets)


def after_starttls(heard: bytes) -> bytes:
    """Return what one side said once it had said its last word in clear."""
    said = re.split(rb"(?m)^(?:STARTTLS\r\n|220 [^\r\n]*TLS[^\r\n]*\r\n)", heard)
    return said[-1] if len(said) > 1 else b""


def is_tls(octets: bytes) -> bool:
    """Whether octets are TLS records, one after the other, and nothing else."""
    at = 0
    while at + 5 <= len(octets):
        if octets[at] not in _TLS_TYPES or octets[at + 1] != 3:
            return False
        at += 5 + int.from_bytes(octets[at + 3 : at + 5])
    return at > 0


def file_of(folder: Path, name: str, size: int) -> Path:
    """Make a file of octets that repeat nowhere."""
    file = folder / name
    with file.open("wb") as out:
        while size > 0:
            size -= out.write(os.urandom(min(size, 2**20)))
    return file


def acquainted(programs: Programs, folder: Path) -> None:
    """Let alice and bob exchange their addresses, by their numbers."""
    asking = programs.log_in_number("alice")
    number = programs.log_in_number("bob")
    first = file_of(folder, "first.bin", 100)
    programs.mshare("alice", "send", first, number, "--no-wait", expect=75)
    eventually(
        lambda: programs.mshare("bob", "requests", "--json").json,
        "bob is asked for his address",
    )
    programs.mshare("bob", "accept", asking)
    again = "send", first, number, "--no-wait"
    eventually(
        lambda: programs.mshare("alice", *again, expect=None).status == 0,
        "alice knows bob's address",
    )
    offer_at(programs, "bob", first.name)


def offered(programs: Programs, file: Path) -> str:
    """Let alice offer a file to bob, whose number she knows; return the offer's id."""
    programs.mshare("alice", "send", file, programs.account("bob")["number"])
    return str(offer_at(programs, "bob", file.name)["id"])


def stored_at(programs: Programs, server: str) -> list[Path]:
    """Return the files of content in a server's store."""
    store = programs.folder / server / "store"
    return [
        each
        for folder in ("blobs", "incoming")
        for each in (store / folder).rglob("*")
        if each.is_file()
    ]


def arrived(programs: Programs, file: Path, target: Path) -> None:
    """Wait until bob has a file, and fetch it."""
    item = item_at(programs, "bob", file.name, file.stat().st_size)
    programs.mshare("bob", "get", item["id"], "-o", target)


@contextmanager
def namespace(name: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Make a network of its own that reaches ours by one address, which is given."""
    words = ("ip", "netns", "exec", name)
    here, there = f"{name}h", f"{name}t"
    net = f"10.{os.getpid() % 250}.{os.getpid() // 250 % 250}"
    for command in (
        f"ip netns add {name}",
        f"ip link add {here} type veth peer name {there} netns {name}",
        f"ip address add {net}.1/30 dev {here}",
        f"ip link set {here} up",
        f"ip netns exec {name} ip address add {net}.2/30 dev {there}",
        f"ip netns exec {name} ip link set {there} up",
        f"ip netns exec {name} ip link set lo up",
    ):
        done = subprocess.run(command.split(), capture_output=True, check=False)
        if done.returncode:
            subprocess.run(["ip", "netns", "del", name], check=False)
            pytest.skip(f"no network of its own can be made: {done.stderr.decode()}")
    try:
        yield f"{net}.1", words
    finally:
        subprocess.run(["ip", "netns", "del", name], check=True)
