# SPDX-License-Identifier: Apache-2.0
"""An item is sent, offered, accepted, pushed and read before its upload has ended."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from signal import SIGKILL
from typing import Any

from tests.flows.legs import leg, running
from tests.flows.plain import find, mailbox
from tests.flows.programs import Programs, eventually, sha256
from tests.flows.proxy import CountingProxy
from tests.flows.story import item_at, offer_at, transfer_of

MIB = 2**20
SIZE = 40 * MIB
HELD = 16 * MIB
"""Octets of an upload after which its way stalls."""
AGAIN = 16 * MIB + 6 * MIB
"""Octets at most that a cut costs: not recorded yet, or still in socket buffers."""
SLICE = 4 * MIB
"""Octets that a terminal asks for at a time, at most."""
OVERHEAD = 1.01
"""What TLS and commands add, at most."""


@dataclass
class Half:
    """Carol's sending of a file to bob, stalled in the middle of its upload."""

    file: Path
    sending: subprocess.Popen[bytes]
    proxy: CountingProxy

    def ends(self, expect: int = 0) -> None:
        """Let it go on, to its end."""
        self.proxy.release()
        _, said = self.sending.communicate(timeout=60)
        assert self.sending.returncode == expect, said


@contextmanager
def half_sent(
    programs: Programs, file: Path, *words: str, size: int = SIZE
) -> Iterator[Half]:
    file.write_bytes(os.urandom(size))
    words = ("send", str(file), programs.account("bob")["address"], *words)
    with (
        leg(programs, "carol", "submission", hold_after=HELD, holding="up") as proxy,
        running(programs, "carol", *words) as sending,
    ):
        assert proxy.held.wait(60)
        yield Half(file, sending, proxy)


def items_named(programs: Programs, name: str, file: Path) -> list[dict[str, Any]]:
    items = programs.mshare(name, "ls", "--json").json
    return [item for item in items if item["name"] == file.name]


def accept(programs: Programs, file: Path) -> str:
    """Accept bob's offer of a file; return its id."""
    offer = offer_at(programs, "bob", file.name)
    programs.mshare("bob", "accept", offer["id"])
    return str(offer["id"])


def exactly_once(programs: Programs, file: Path) -> None:
    """One item here, one there, one transfer, one line that says sent."""
    for name in ("carol", "bob"):
        (item,) = items_named(programs, name, file)
        assert item["sha256"] == sha256(file)
        assert not item["arriving"]
    transfer = transfer_of(programs, "carol", file.name, "sent")
    every = programs.mshare("carol", "status", "--json").json
    assert [t["id"] for t in every if t["name"] == file.name] == [transfer["id"]]
    server = programs.account("carol")["server"]
    (_,) = programs.servers[server].lines(rf"{transfer['id']}: .*status=sent")


def test_it_is_read_before_it_has_been_uploaded(
    programs: Programs, tmp_path: Path
) -> None:
    file, target = tmp_path / "early.bin", tmp_path / "here.bin"
    with half_sent(programs, file, "--wait") as half:
        accepted = accept(programs, file)
        words = ("get", "--follow", accepted, "-o", str(target))
        with running(programs, "bob", *words) as get:
            part = eventually(
                lambda: next(iter(tmp_path.glob("here.bin.*.part")), None), "bob reads"
            )
            eventually(lambda: part.stat().st_size > MIB, "bob has the first octets")
            assert half.sending.poll() is None
            for name in ("carol", "bob"):
                (item,) = items_named(programs, name, file)
                assert (item["arriving"], item["size"]) == (True, SIZE)
                assert item["sha256"] is None
                assert 0 < item["arrived"] < SIZE
            began = part.read_bytes()
            assert file.read_bytes().startswith(began)
            print(f"{len(began):,} octets at bob, {half.proxy.up:,} of {SIZE:,} went")
            half.ends()
            _, said = get.communicate(timeout=60)
            assert get.returncode == 0, said
    assert sha256(target) == sha256(file)
    exactly_once(programs, file)
    assert half.proxy.up <= SIZE * OVERHEAD


def test_a_pipe_gets_the_octets_as_they_come(
    programs: Programs, tmp_path: Path
) -> None:
    file = tmp_path / "piped.bin"
    with half_sent(programs, file) as half:
        words = ("get", "--follow", "-o", "-")
        with (
            running(programs, "bob", *words) as whole,
            running(programs, "bob", *words) as left,
        ):
            assert whole.stderr
            assert left.stderr
            assert b"waiting for the next item" in whole.stderr.readline()
            assert b"waiting for the next item" in left.stderr.readline()
            accept(programs, file)
            assert whole.stdout
            assert left.stdout
            assert left.stdout.read(MIB) == file.read_bytes()[:MIB]
            # Whoever closes a pipe ends it, though nothing more comes: quietly.
            left.stdout.close()
            assert left.wait(60) == os.EX_IOERR
            assert left.stderr.read() == b""
            came = whole.stdout.read(MIB)
            assert half.sending.poll() is None
            half.ends()
            came += whole.stdout.read()
            assert whole.wait(60) == 0, whole.stderr.read()
            assert came == file.read_bytes()


def test_a_reader_that_is_killed_goes_on(programs: Programs, tmp_path: Path) -> None:
    file, target = tmp_path / "again.bin", tmp_path / "again.out"
    words = ("get", "--follow", file.name, "-o", str(target))

    def landed() -> int:
        return sum(part.stat().st_size for part in tmp_path.glob("again.out.*.part"))

    with half_sent(programs, file) as half:
        accept(programs, file)
        with leg(programs, "bob", "imap") as proxy:
            with running(programs, "bob", *words) as get:
                eventually(lambda: landed() > MIB, "bob reads")
                get.send_signal(SIGKILL)
                get.communicate(timeout=60)
            before = landed()
            with running(programs, "bob", *words) as get:
                eventually(lambda: landed() > before, "bob reads on")
                half.ends()
                _, said = get.communicate(timeout=60)
                assert get.returncode == 0, said
            print(f"{before:,} octets when killed; {proxy.down:,} came for {SIZE:,}")
            assert proxy.down <= (SIZE + 3 * SLICE) * OVERHEAD
    assert sha256(target) == sha256(file)


def test_a_sender_that_is_killed_goes_on(programs: Programs, tmp_path: Path) -> None:
    """Run again, the same item arrives on, and the same transfer is under way."""
    file = tmp_path / "killed.bin"
    with half_sent(programs, file) as half:
        accept(programs, file)
        eventually(lambda: items_named(programs, "bob", file), "it arrives at bob")
        half.sending.send_signal(SIGKILL)
        half.sending.communicate(timeout=60)
        half.proxy.release()
        bob = programs.account("bob")["address"]
        told = programs.mshare("carol", "send", file, bob, "--wait", "--json").json
        assert [t["state"] for t in told["transfers"]] == ["sent"]
        print(f"{half.proxy.up:,} octets went for {SIZE:,}")
        assert half.proxy.up <= (SIZE + AGAIN) * OVERHEAD
    item_at(programs, "bob", file.name, SIZE)
    exactly_once(programs, file)


def test_plain_slices_of_an_arriving_item(programs: Programs, tmp_path: Path) -> None:
    """With nothing but imaplib and RFC 3516."""
    file = tmp_path / "sliced.bin"
    with half_sent(programs, file) as half:
        accept(programs, file)
        eventually(lambda: items_named(programs, "bob", file), "it arrives at bob")
        content = file.read_bytes()
        box = mailbox(programs, "bob")
        uid = find(box, "Library", "KEYWORD", "$Arriving").decode()
        for start in (0, 65_536):
            assert sliced(box, uid, start, 65_536) == content[start : start + 65_536]
        status, told = box.uid("FETCH", uid, "(RFC822.SIZE BODYSTRUCTURE)")
        assert status == "OK"
        assert str(SIZE).encode() in told[0]
        status, told = box.uid("FETCH", uid, "(BODY.PEEK[])")
        assert status == "NO"
        assert told[0].startswith(b"[INUSE]")
        half.ends()
        for start in range(0, SIZE, SLICE):  # the last ones wait on the server
            octets = sliced(box, uid, start, SLICE)
            assert octets == content[start : start + SLICE]
        eventually(
            lambda: not find(box, "Library", "KEYWORD", "$Arriving"), "it is whole"
        )
        assert find(box, "Library", "UID", uid).decode() == uid
        box.logout()


def sliced(box: Any, uid: str, start: int, count: int) -> bytes:
    """Read one slice on the raw connection: imaplib has no ``~{``."""
    tag = box._new_tag()
    slice_ = f"BINARY.PEEK[2]<{start}.{count}>"
    box.send(tag + f" UID FETCH {uid} ({slice_})\r\n".encode())
    octets = b""
    while not (line := box.readline()).startswith(tag):
        found = re.search(rb"~?\{(\d+)\}\r\n$", line)
        octets += box.read(int(found[1])) if found else b""
    assert b" OK " in line, line
    return octets


def test_what_is_given_up_is_told_to_its_reader(
    programs: Programs, tmp_path: Path
) -> None:
    file, target = tmp_path / "never.bin", tmp_path / "never.out"
    # Larger than all buffers on the way: not all of it has been read here.
    with half_sent(programs, file, size=3 * SIZE) as half:
        (item,) = eventually(
            lambda: items_named(programs, "carol", file), "it is shown"
        )
        with running(programs, "carol", "get", item["id"], "-o", str(target)) as get:
            part = eventually(
                lambda: next(iter(tmp_path.glob("never.out.*.part")), None),
                "it is read",
            )
            eventually(lambda: part.stat().st_size > MIB, "the first octets are there")
            file.write_bytes(b"something else")
            half.ends(os.EX_DATAERR)
            _, said = get.communicate(timeout=60)
        assert get.returncode == os.EX_UNAVAILABLE, said
        assert b"not on the server any more" in said
        assert part.stat().st_size > MIB
    assert items_named(programs, "carol", file) == []
    every = programs.mshare("carol", "status", "--json").json
    (state,) = [t["state"] for t in every if t["name"] == file.name]
    assert state in {"failed", "cancelled"}  # by whether its answer has come


def test_what_its_owner_deletes_does_not_come_back(
    programs: Programs, tmp_path: Path
) -> None:
    """His terminal says so and forgets it; the next run is another upload."""
    file = tmp_path / "deleted.mkv"
    with half_sent(programs, file) as half:
        eventually(lambda: bool(items_named(programs, "carol", file)), "it is shown")
        with mailbox(programs, "carol") as imap:
            uid = find(imap, "Library", "KEYWORD", "$Arriving").decode()
            imap.uid("STORE", uid, "+FLAGS", r"(\Deleted)")
            imap.expunge()
        half.proxy.release()
        _, said = half.sending.communicate(timeout=60)
        assert half.sending.returncode == os.EX_DATAERR, said
        assert b"5.6.0 it was removed while it arrived" in said
        assert items_named(programs, "carol", file) == []
    programs.mshare("carol", "upload", file)
    (item,) = items_named(programs, "carol", file)
    assert item["sha256"] == sha256(file)
