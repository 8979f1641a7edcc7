# SPDX-License-Identifier: Apache-2.0
"""A recording is sent while it grows, through kills of terminal and server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from signal import SIGINT, SIGKILL
from typing import Any

import pytest

from tests.flows.plain import mailbox
from tests.flows.programs import (
    BIN,
    Programs,
    eventually,
    peak_of,
    playground,
    sha256,
)
from tests.flows.proxy import CountingProxy
from tests.flows.story import item_at, offer_at

MIB = 2**20
STEP = 24 * MIB
WATERMARK = 16 * MIB
"""Octets at most that a server has taken and not recorded yet."""
OVERHEAD = 1.01
"""What TLS and commands add, at most."""
FLAT = 96 * MIB
"""Octets of memory in which a terminal uploads whatever the size."""

WRITER = """
import os, sys
sink = open(sys.argv[1], "wb", buffering=0) if sys.argv[1:] else sys.stdout.buffer
for line in sys.stdin:
    for _ in range(int(line)):
        sink.write(os.urandom(2**20))
    sink.flush()
    print("written", file=sys.stderr, flush=True)
"""


class Writer:
    """A process that appends when it is told to, and closes when it ends."""

    def __init__(self, *words: str | Path, stdout: int | None = None) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", WRITER, *map(str, words)],
            stdin=subprocess.PIPE,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
        )

    def write(self, octets: int) -> None:
        """Let it append, and wait until it has."""
        assert self.process.stdin is not None
        assert self.process.stderr is not None
        self.process.stdin.write(f"{octets // MIB}\n")
        self.process.stdin.flush()
        assert self.process.stderr.readline() == "written\n"

    def close(self) -> None:
        """Let it end."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        assert self.process.wait(30) == 0


@contextmanager
def writer_of(*words: str | Path, stdout: int | None = None) -> Iterator[Writer]:
    """Run a writer, and end it whatever happens."""
    writer = Writer(*words, stdout=stdout)
    with writer.process:
        try:
            yield writer
        finally:
            writer.process.kill()


@contextmanager
def mshare(
    programs: Programs, *words: str | Path, stdin: Any = None
) -> Iterator[subprocess.Popen[str]]:
    """Run alice's ``mshare`` beside us."""
    profile = programs.account("alice")["profile"]
    process = subprocess.Popen(
        [str(BIN / "mshare"), "--profile", profile, *map(str, words)],
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        with process:
            yield process
    finally:
        process.kill()


@contextmanager
def counted(programs: Programs) -> Iterator[CountingProxy]:
    """Let alice's uploads pass a proxy that counts."""
    profile = Path(programs.account("alice")["profile"]) / "profile.toml"
    text = profile.read_text()
    port = programs.port("alice", "submission")
    with CountingProxy(port) as proxy:
        profile.write_text(text.replace(f":{port}", f":{proxy.port}"))
        try:
            yield proxy
        finally:
            profile.write_text(text)


def checkpoints(programs: Programs) -> int:
    """Return how many octets of a live upload are durable at alice's server."""
    told = json.loads(programs.maild("a", "checkpoint", "ls", "--json").out)
    return max((int(c["octets"]) for c in told if c["state"] == "arriving"), default=0)


def stubs(programs: Programs) -> list[bytes]:
    """Return alice's stubs, as a mail program sees them."""
    with mailbox(programs, "alice") as imap:
        imap.select("Items", readonly=True)
        _, found = imap.uid("SEARCH", "ALL")
        texts = []
        for uid in found[0].split():
            _, parts = imap.uid("FETCH", uid.decode(), "(FLAGS BODY.PEEK[])")
            texts.append(b" ".join(b" ".join(p) for p in parts if isinstance(p, tuple)))
        return texts


def accepted(programs: Programs, name: str, size: int, target: Path) -> str:
    """Let bob accept and fetch it; return its digest."""
    offer = offer_at(programs, "bob", name)
    assert offer["size"] == size
    programs.mshare("bob", "accept", offer["id"])
    item = item_at(programs, "bob", name, size)
    programs.mshare("bob", "get", item["id"], "-o", target)
    return sha256(target)


def kill(programs: Programs, name: str) -> None:
    server = programs.servers[name]
    assert server.process is not None
    server.process.kill()
    server.process.wait(timeout=30)
    assert server.process.stderr is not None
    server.process.stderr.close()
    server.process = None


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Programs]:
    """Servers of our own: they are killed."""
    with playground(tmp_path_factory.mktemp("live") / "playground") as made:
        yield made


def test_a_recording_outlives_kills(programs: Programs, tmp_path: Path) -> None:
    """The terminal is killed in between, then its server: acknowledged octets once."""
    file = tmp_path / "capture.mkv"
    words = ("send", "--live", file, programs.account("bob")["address"])
    with writer_of(file) as writer, counted(programs) as proxy:
        writer.write(STEP)
        with mshare(programs, *words) as first:
            eventually(lambda: checkpoints(programs) == STEP, "all of it is durable")
            (stub,) = stubs(programs)
            assert b"$Arriving" in stub
            assert b"still being recorded" in stub
            assert programs.mshare("alice", "ls", "--json").json == []
            writer.write(STEP)
            first.send_signal(SIGKILL)
        with mshare(programs, *words) as second:
            eventually(lambda: checkpoints(programs) == 2 * STEP, "it goes on")
            kill(programs, "a")
            writer.write(STEP)
            programs.servers["a"].start()
            eventually(lambda: checkpoints(programs) == 3 * STEP, "it goes on again")
            peak = peak_of(second.pid)
            writer.close()
            said = second.communicate(timeout=60)
            assert second.returncode == 0, said
        print(f"{proxy.up:,} octets went for {3 * STEP:,}; {peak / MIB:.0f} MiB")
        assert proxy.up <= (3 * STEP + WATERMARK) * OVERHEAD
    assert peak < FLAT
    assert accepted(programs, file.name, 3 * STEP, tmp_path / "got") == sha256(file)
    (item,) = programs.mshare("alice", "ls", "--json").json
    assert (item["size"], item["sha256"]) == (3 * STEP, sha256(file))
    (stub,) = stubs(programs)
    assert b"$Arriving" not in stub
    assert "already there" in programs.mshare("alice", "upload", file).out


def test_a_pipe_outlives_its_server(programs: Programs, tmp_path: Path) -> None:
    """As from ffmpeg: what was read of it cannot be asked for again."""
    name, copy = "pipe.ts", tmp_path / "copy.ts"
    profile = Path(programs.account("alice")["profile"])
    source, sink = os.pipe()
    words = ("send", "--live", "-", programs.account("bob")["address"], "--json")
    with (
        writer_of(stdout=sink) as writer,
        mshare(programs, *words, "--name", name, stdin=source) as send,
    ):
        os.close(source)
        os.close(sink)
        writer.write(STEP)
        eventually(lambda: checkpoints(programs) == STEP, "all of it is durable")
        (spool,) = profile.glob("live-*.spool")
        kill(programs, "a")
        writer.write(STEP)
        programs.servers["a"].start()
        eventually(lambda: checkpoints(programs) == 2 * STEP, "it goes on")
        copy.write_bytes(spool.read_bytes())
        writer.close()
        out, said = send.communicate(timeout=60)
        assert send.returncode == 0, said
    lines = out.splitlines()
    assert json.loads(lines[0])["event"] in {"recording", "told"}
    assert list(profile.glob("live-*")) == []
    assert accepted(programs, name, 2 * STEP, tmp_path / "got.ts") == sha256(copy)


def test_ctrl_c_ends_a_pipe_and_sends_it(programs: Programs, tmp_path: Path) -> None:
    name = "stopped.ts"
    source, sink = os.pipe()
    words = ("upload", "--live", "-", "--name", name)
    with mshare(programs, *words, stdin=source) as upload:
        os.close(source)
        os.write(sink, bytes(60_000))
        os.write(sink, b"end")
        profile = Path(programs.account("alice")["profile"])

        def spooled() -> int:
            return sum(p.stat().st_size for p in profile.glob("live-*.spool"))

        eventually(lambda: spooled() == 60_003, "it is spooled")
        upload.send_signal(SIGINT)
        out, said = upload.communicate(timeout=60)
        assert upload.returncode == 0, (out, said)
    os.close(sink)
    items = programs.mshare("alice", "ls", "--json").json
    (item,) = [i for i in items if i["name"] == name]
    assert item["size"] == 60_003


def test_what_a_killed_terminal_left_of_a_pipe_is_kept(programs: Programs) -> None:
    source, sink = os.pipe()
    words = ("upload", "--live", "-", "--name")
    with mshare(programs, *words, "lost.ts", stdin=source) as upload:
        os.close(source)
        os.write(sink, bytes(50_000))
        profile = Path(programs.account("alice")["profile"])

        def spooled() -> int:
            return sum(p.stat().st_size for p in profile.glob("live-*.spool"))

        eventually(lambda: spooled() == 50_000, "it is spooled")
        upload.send_signal(SIGKILL)
    os.close(sink)
    ran = programs.mshare("alice", *words, "next.ts", stdin="next")
    assert "an earlier recording is in your Library: lost.ts" in ran.err
    items = programs.mshare("alice", "ls", "--json").json
    sizes = {i["name"]: i["size"] for i in items}
    assert (sizes["lost.ts"], sizes["next.ts"]) == (50_000, 4)
    assert list(profile.glob("live-*")) == []


def test_a_share_made_in_a_mail_program_goes_out_at_the_end(
    programs: Programs, tmp_path: Path
) -> None:
    file = tmp_path / "shared.log"
    with (
        writer_of(file) as writer,
        mshare(programs, "upload", "--live", file) as upload,
    ):
        writer.write(MIB)
        eventually(lambda: checkpoints(programs) == MIB, "all of it is durable")
        with mailbox(programs, "alice") as imap:
            imap.select("Items")
            _, found = imap.uid("SEARCH", "KEYWORD", "$Arriving")
            address = programs.account("bob")["address"]
            done, _ = imap.uid("COPY", found[0].decode(), f"Share/{address}")
            assert done == "OK"
        (waiting,) = [
            t
            for t in programs.mshare("alice", "status", "--json").json
            if t["name"] == file.name
        ]
        assert waiting["state"] == "queued"
        writer.close()
        said = upload.communicate(timeout=60)
        assert upload.returncode == 0, said
    assert accepted(programs, file.name, MIB, tmp_path / "got") == sha256(file)
