# SPDX-License-Identifier: Apache-2.0
"""One file over three legs of the same rate: does it take three times as long as one?

Upload, push and download pass proxies that are equally narrow.  The clock runs from
``mshare send`` of a file that was never uploaded to the verified file at bob.  The
offer is accepted by a plain MOVE as soon as bob's INBOX has it.
"""

from __future__ import annotations

import hashlib
import imaplib
import json
import re
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.throttle import NarrowLeg, one_leg
from bench.world import PATIENCE, opened_up
from tests.flows.plain import find
from tests.flows.programs import BIN, Programs, edit, eventually, playground, sha256

SLICE = 1024 * 1024
"""Octets that the plain reader asks for at once."""
AGAIN = 0.02
"""Seconds until the plain reader asks again for what has not arrived."""
PROFILE = "bob-far"


@dataclass(frozen=True, slots=True)
class Found:
    """What one way has taken, in seconds."""

    reader: str
    size: int
    rate: int
    one_leg: float
    """A leg as it should be: size by rate."""
    measured_leg: float
    """A bare copy over one such leg, in the same run."""
    whole: float
    """From ``send`` to the verified file."""
    offered: float
    """From ``send`` to the acceptance."""
    first_octet: float
    """From the acceptance to the first octet at the reader."""
    uploaded: float
    """From ``send`` to its end."""

    @property
    def ratio(self) -> float:
        """The whole by one leg."""
        return self.whole / self.one_leg

    @property
    def measured_ratio(self) -> float:
        """The whole by one measured leg."""
        return self.whole / self.measured_leg

    def to_json(self) -> dict[str, object]:
        """Return all of it."""
        ratios = {"ratio": self.ratio, "measured_ratio": self.measured_ratio}
        return {**asdict(self), **ratios}


@contextmanager
def narrow_world(folder: Path, rate: int) -> Iterator[tuple[Programs, NarrowLeg]]:
    """Run two servers with a narrow leg between each two; yield the last leg too."""
    with ExitStack() as stack:
        last: list[NarrowLeg] = []

        def leg(port: int) -> NarrowLeg:
            return stack.enter_context(NarrowLeg(port, rate))

        def change(made: Path) -> None:
            opened_up(made)
            ports = json.loads((made / "playground.json").read_text())["servers"]
            push, download = leg(ports["b"]["smtp"]), leg(ports["b"]["imap"])
            edit(made / "a.toml", 'peer."b.example"', address=f"127.0.0.1:{push.port}")
            last.append(download)
            far = made / "profiles" / PROFILE
            far.mkdir(mode=0o700)
            _through(made, "bob", far, ports["b"]["imap"], download.port)
            upload, port = leg(ports["a"]["submission"]), ports["a"]["submission"]
            alice = made / "profiles" / "alice"
            _through(made, "alice", alice, port, upload.port)

        programs = stack.enter_context(playground(folder, change=change))
        yield programs, last[0]


def _through(made: Path, name: str, to: Path, port: int, narrow: int) -> None:
    """Write a profile like that of ``name`` in which one port is another."""
    profile = made / "profiles" / name
    text = (profile / "profile.toml").read_text()
    assert f":{port}" in text
    (to / "profile.toml").write_text(text.replace(f":{port}", f":{narrow}"))
    if to != profile:
        (to / "secret").write_bytes((profile / "secret").read_bytes())
        (to / "secret").chmod(0o600)


class Way:
    """One file on its way, and the clock."""

    def __init__(
        self, programs: Programs, leg: NarrowLeg, file: Path, target: Path
    ) -> None:
        self._programs = programs
        self._leg = leg
        self._file = file
        self._target = target
        self._uploaded = 0.0

    def send(self) -> None:
        """Send it; alice's terminal."""
        bob = self._programs.account("bob")["address"]
        self._programs.mshare("alice", "send", self._file, bob)
        self._uploaded = time.monotonic()

    def go(self, reader: str, measured: float, rate: int) -> Found:
        """Send, accept and read at once; return what it took."""
        sending = threading.Thread(target=self.send)
        began = time.monotonic()
        sending.start()
        self._accept()
        accepted = time.monotonic()
        first = self._by_imaplib() if reader == "imaplib" else self._by_mshare()
        ended = time.monotonic()
        sending.join()
        assert sha256(self._target) == sha256(self._file)
        size = self._file.stat().st_size
        return Found(
            reader=reader,
            size=size,
            rate=rate,
            one_leg=size / rate,
            measured_leg=measured,
            whole=ended - began,
            offered=accepted - began,
            first_octet=first - accepted,
            uploaded=self._uploaded - began,
        )

    def _mailbox(self, port: int) -> imaplib.IMAP4_SSL:
        bob = self._programs.account("bob")
        made = imaplib.IMAP4_SSL("localhost", port, ssl_context=self._programs.tls)
        made.login(bob["address"], bob["password"])
        return made

    def _accept(self) -> None:
        """Move the offer when it has come."""
        with self._mailbox(self._programs.port("b", "imap")) as box:

            def offer() -> bytes:
                criteria = ("KEYWORD", "$Offer", "SUBJECT", self._file.name)
                return find(box, "INBOX", *criteria)

            uid = eventually(offer, "the offer has come", PATIENCE)
            assert box.uid("MOVE", uid.decode(), "Accepted")[0] == "OK"

    def _by_mshare(self) -> float:
        """Follow it by ``mshare get``; return when the first octet was in its file."""
        profile = self._programs.folder / "profiles" / PROFILE
        command = [str(BIN / "mshare"), "--profile", str(profile), "get", "--follow"]
        # Not on the clock: which item it is.  The name is enough, once it is there.
        process = subprocess.Popen(
            [*command, self._file.name, "-o", str(self._target)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        first = 0.0
        while process.poll() is None:
            if not first and self._has_begun():
                first = time.monotonic()
            time.sleep(0.005)
        said = process.communicate()[1]
        assert process.returncode == 0, said
        return first or time.monotonic()

    def _has_begun(self) -> bool:
        beside = self._target.parent.glob(f"{self._target.name}*")
        return any(path.stat().st_size > 0 for path in beside if path.exists())

    def _by_imaplib(self) -> float:
        """Read slices as they arrive; return when the first octet came."""
        size, digest, first = self._file.stat().st_size, hashlib.sha256(), 0.0
        with self._mailbox(self._leg.port) as box, self._target.open("wb") as out:
            uid = eventually(
                lambda: find(box, "Library", "SUBJECT", self._file.name), "it begins"
            ).decode()
            section = _section(box, uid)
            while out.tell() < size:
                octets = _slice(box, uid, section, out.tell())
                if not octets:
                    time.sleep(AGAIN)
                    continue
                first = first or time.monotonic()
                out.write(octets)
                digest.update(octets)
        with self._file.open("rb") as file:
            expected = hashlib.file_digest(file, "sha256").digest()
        assert digest.digest() == expected
        return first


def _section(box: imaplib.IMAP4_SSL, uid: str) -> str:
    _, fetched = box.uid("FETCH", uid, "(BODYSTRUCTURE)")
    assert isinstance(fetched[0], bytes)
    return "2" if b'"text" "plain"' in fetched[0].lower() else "1"


def _slice(box: imaplib.IMAP4_SSL, uid: str, section: str, start: int) -> bytes:
    """Read one slice (RFC 3516); nothing while it has not arrived."""
    tag = box._new_tag()  # noqa: SLF001 - no ~{ there
    wanted = f"BINARY.PEEK[{section}]<{start}.{SLICE}>"
    box.send(tag + f" UID FETCH {uid} ({wanted})\r\n".encode())
    octets = b""
    while True:
        line = box.readline()
        if found := re.search(rb"~?\{(\d+)\}\r\n$", line):
            octets = box.read(int(found[1]))
        elif line.startswith(tag):
            assert b" OK" in line or b"INUSE" in line, line
            return octets


def way(
    programs: Programs, leg: NarrowLeg, file: Path, reader: str, rate: int
) -> Found:
    """Take a fresh file over the road for a reader; both copies are removed."""
    target = file.with_name(f"{file.name}-got")
    bare = one_leg(rate, file.stat().st_size)
    found = Way(programs, leg, file, target).go(reader, bare, rate)
    target.unlink()
    file.unlink()
    return found
