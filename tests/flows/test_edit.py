# SPDX-License-Identifier: Apache-2.0
"""Editing at the destination (seed 220): what travels, which versions there are."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from terminal_client import Terminal
from terminal_client.errors import CutError
from terminal_client.session_imap import Bringing, MailboxConnection
from tests.flows.legs import leg, running
from tests.flows.plain import binary, find, mailbox
from tests.flows.programs import Programs, eventually, sha256
from tests.flows.story import offer_at

SIZE = 24 << 20
"""Octets of what is edited; a gigabyte behaves the same, and takes longer."""
OVERWRITE = "import os,sys; f=open(sys.argv[1],'r+b'); f.seek({0}); f.write({1!r}*{2})"
INSERT = (
    "import os,sys; p=sys.argv[1]; b=open(p,'rb').read(); o=open(p+'~','wb'); "
    "o.write(b[:{0}]+{1!r}+b[{0}:]); o.close(); os.replace(p+'~',p)"
)
"""As an editor does that keeps a backup."""


def program(text: str, *values: object) -> str:
    """Return what ``--with`` is to be, for a line of Python."""
    return f"{sys.executable} -c {shlex.quote(text.format(*values))}"


def uploaded(programs: Programs, name: str, file: Path) -> dict[str, object]:
    (item,) = programs.mshare(name, "upload", "--json", file).json
    found: dict[str, object] = item.get("item", item)
    return found


@pytest.fixture
def film(tmp_path: Path) -> Path:
    file = tmp_path / "film.mov"
    file.write_bytes(os.urandom(SIZE))
    return file


def test_only_what_has_changed_travels(
    programs: Programs, film: Path, tmp_path: Path
) -> None:
    id_ = str(uploaded(programs, "alice", film)["id"])
    content = [film.read_bytes()]
    with leg(programs, "alice", "imap") as imap, leg(programs, "alice", "submission"):
        change = program(OVERWRITE, 9_000_000, b"x", 1 << 20)
        said = programs.mshare("alice", "edit", id_, "--with", change, "--keep")
        assert said.out == "film.mov: version 2, 1.0 MB of 25.2 MB sent\n"
        assert imap.total < (1 << 20) + 100_000, (
            "a MiB was changed, and nothing fetched"
        )
        before = imap.total
        change = program(INSERT, 1_234_567, b"!")
        said = programs.mshare("alice", "edit", id_, "--with", change, "--json")
        assert (said.json["version"], said.json["travelled"]) == (3, 1)
        assert imap.total - before < 50_000, "one octet was inserted"
    last = content[0]
    content.append(last[:9_000_000] + b"x" * (1 << 20) + last[9_000_000 + (1 << 20) :])
    content.append(content[1][:1_234_567] + b"!" + content[1][1_234_567:])
    told = programs.mshare("alice", "versions", id_, "--json").json
    assert [v["version"] for v in told] == [1, 2, 3]
    for number, octets in enumerate(content, 1):
        place = tmp_path / f"version {number}"
        programs.mshare("alice", "get", id_, "--version", str(number), "-o", place)
        assert place.read_bytes() == octets
        assert told[number - 1]["sha256"] == sha256(place)
    place = tmp_path / "newest"
    programs.mshare("alice", "get", id_, "-o", place)
    assert place.read_bytes() == content[2]
    edits = Path(programs.account("alice")["profile"]) / "edits"
    assert list(edits.iterdir()) == [], "nothing is left where it was edited"


def test_unchanged_and_refused_programs(programs: Programs, tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("one line\n" * 1000)
    id_ = str(uploaded(programs, "alice", file)["id"])
    said = programs.mshare("alice", "edit", id_, "--with", "true")
    assert said.out == "notes.txt: unchanged, nothing was sent\n"
    assert len(programs.mshare("alice", "versions", id_, "--json").json) == 1
    said = programs.mshare("alice", "edit", id_, "--with", "false", expect=75)
    assert "status 1, so nothing was sent" in said.err
    assert "kept" not in said.err
    change = program(INSERT + "; sys.exit(3)", 0, b"more")
    said = programs.mshare("alice", "edit", id_, "--with", change, expect=75)
    kept = re.search(r"kept in (\S+); `mshare edit", said.err)
    assert kept
    assert Path(kept[1]).read_text().startswith("moreone line")
    said = programs.mshare("alice", "edit", id_, "--with", "true")
    assert "version 2" in said.out, "the edit that was kept has been sent"
    said = programs.mshare(
        "alice", "edit", "no such thing", "--with", "true", expect=66
    )
    said = programs.mshare("alice", "edit", id_, "--with", "no-such-program", expect=64)


def test_what_has_moved_does_not_travel(
    programs: Programs, film: Path, tmp_path: Path
) -> None:
    """Hundreds of ranges in another order: more than fits in one line of IMAP."""
    id_ = str(uploaded(programs, "alice", film)["id"])
    octets = film.read_bytes()
    blocks = [octets[at : at + 100_000] for at in range(0, SIZE, 100_000)]
    new = tmp_path / "new"
    new.write_bytes(b"".join(reversed(blocks)))
    with leg(programs, "alice", "imap") as imap:
        said = programs.mshare("alice", "put", new, id_, "--base", film, "--json")
        assert imap.up < 12_000_000, "half of it was found again, at least"
    assert said.json["sha256"] == sha256(new)
    place = tmp_path / "now"
    programs.mshare("alice", "get", id_, "-o", place)
    assert place.read_bytes() == new.read_bytes()


def test_somebody_else_is_faster(
    programs: Programs, film: Path, tmp_path: Path
) -> None:
    id_ = str(uploaded(programs, "alice", film)["id"])
    begun, go = tmp_path / "begun", tmp_path / "go"
    os.mkfifo(begun)
    os.mkfifo(go)
    wait = f"open({str(begun)!r},'w').close(); open({str(go)!r}).close(); "
    change = f"{sys.executable} -c {shlex.quote(wait + INSERT.format(5, b'slow'))}"
    with running(programs, "alice", "edit", id_, "--with", change) as slow:
        begun.open().close()
        other = tmp_path / "other"
        other.write_bytes(b"faster")
        said = programs.mshare("alice", "put", other, id_)
        assert "version 2, 6 octets of 6 octets sent" in said.out
        busy = programs.mshare("alice", "edit", id_, "--with", "true", expect=75)
        assert "another mshare" in busy.err
        go.open("w").close()
        _, told = slow.communicate(timeout=60)
    assert slow.returncode == 69
    err = told.decode()
    kept = re.search(r"kept in (\S+); `mshare put`", err)
    assert kept, err
    assert "somebody else has replaced film.mov meanwhile" in err
    assert Path(kept[1]).read_bytes()[5:9] == b"slow"
    said = programs.mshare("alice", "edit", id_, "--with", "true", expect=69)
    assert kept[1] in said.err, "it is not overwritten by the next edit"
    said = programs.mshare("alice", "put", kept[1], id_)
    assert "version 3" in said.out
    Path(kept[1]).unlink()
    programs.mshare("alice", "edit", id_, "--with", "true")


def test_a_cut_connection(programs: Programs, film: Path, tmp_path: Path) -> None:
    """The server is lost in the middle of what is new: it begins again, and ends."""
    id_ = str(uploaded(programs, "alice", film)["id"])
    change = program(OVERWRITE, 0, b"y", 4 << 20)
    with (
        leg(programs, "alice", "imap", hold_after=2 << 20) as imap,
        running(programs, "alice", "edit", id_, "--with", change, "--json") as editing,
    ):
        assert imap.held.wait(60)
        imap.cut()
        imap.release()
        out, err = editing.communicate(timeout=120)
    assert editing.returncode == 0, err
    assert b'"version": 2' in out
    place = tmp_path / "now"
    programs.mshare("alice", "get", id_, "-o", place)
    assert place.read_bytes() == b"y" * (4 << 20) + film.read_bytes()[4 << 20 :]
    assert len(programs.mshare("alice", "versions", id_, "--json").json) == 2


def test_kill_9_in_the_middle(programs: Programs, film: Path, tmp_path: Path) -> None:
    """The server is killed while it puts a version together: the old one stands."""
    id_ = str(uploaded(programs, "alice", film)["id"])
    change = program(OVERWRITE, 0, b"z", 4 << 20)
    server = programs.servers[programs.account("alice")["server"]]
    with (
        leg(programs, "alice", "imap", hold_after=3 << 20) as imap,
        running(programs, "alice", "edit", id_, "--with", change, "--json") as editing,
    ):
        assert imap.held.wait(60)
        assert server.process is not None
        server.process.kill()
        server.bury()
        imap.cut()
        imap.release()
        server.start()
        out, err = editing.communicate(timeout=120)
    assert editing.returncode == 0, err
    assert b'"version": 2' in out
    place = tmp_path / "first"
    programs.mshare("alice", "get", id_, "--version", "1", "-o", place)
    assert sha256(place) == sha256(film)
    server.stop()
    assert "damaged" not in programs.maild(server_name(programs), "fsck").out
    server.start()


async def test_a_lost_answer(
    programs: Programs,
    film: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The version is there, its OK is not: it is made once, and that is told."""
    id_ = str(uploaded(programs, "alice", film)["id"])
    bringing = MailboxConnection.bringing
    lost: list[tuple[str, ...]] = []

    @asynccontextmanager
    async def lossy(self: MailboxConnection, *words: str) -> AsyncIterator[Bringing]:
        async with bringing(self, *words) as command:
            yield command
        if not lost:
            lost.append(words)
            self.abort()
            raise CutError("the connection was lost")

    monkeypatch.setattr(MailboxConnection, "bringing", lossy)
    new = tmp_path / "new"
    new.write_bytes(b"new" + await asyncio.to_thread(film.read_bytes))
    async with Terminal.open(programs.account("alice")["profile"]) as alice:
        done = await alice.put(new, id_, base=film)
        assert lost
        assert (done.item.version, done.travelled) == (2, 3)
        assert [v.version for v in await alice.versions(id_)] == [1, 2]


def server_name(programs: Programs) -> str:
    return str(programs.account("alice")["server"])


def test_the_newest_version_is_sent(programs: Programs, tmp_path: Path) -> None:
    """What was sent before stays what it was; what is sent now is what it is now."""
    file = tmp_path / "report.bin"
    file.write_bytes(os.urandom(300_000))
    id_ = str(uploaded(programs, "alice", file)["id"])
    programs.mshare("alice", "send", id_, "bob@b.example")
    new = tmp_path / "new"
    new.write_bytes(b"new" + file.read_bytes())
    programs.mshare("alice", "put", new, id_, "--base", file)
    programs.mshare("alice", "send", id_, "bob@b.example")

    def offered() -> list[str]:
        offers = programs.mshare("bob", "offers", "--json").json
        ids = [offer["id"] for offer in offers if offer["name"] == file.name]
        return ids if len(ids) == 2 else []

    programs.mshare("bob", "accept", *eventually(offered, "both offers"))

    def arrived() -> list[str]:
        items = programs.mshare("bob", "ls", "--json").json
        got = [i for i in items if i["name"] == "report.bin" and not i["arriving"]]
        return sorted(i["sha256"] for i in got) if len(got) == 2 else []

    assert eventually(arrived, "both items") == sorted((sha256(file), sha256(new)))


def test_what_was_received_is_edited_by_its_owner(
    programs: Programs, tmp_path: Path
) -> None:
    """Bob's edit is his own: Alice's item, and what she sends on, stay as they were."""
    file = tmp_path / "shared.bin"
    file.write_bytes(os.urandom(2_000_000))
    programs.mshare("alice", "upload", file)
    programs.mshare("alice", "send", "shared.bin", "bob@b.example")
    programs.mshare("bob", "accept", offer_at(programs, "bob", file.name)["id"])

    def arrived() -> list[dict[str, object]]:
        items = programs.mshare("bob", "ls", "--json").json
        return [i for i in items if i["name"] == "shared.bin" and not i["arriving"]]

    (item,) = eventually(arrived, "the item")
    change = program(INSERT, 7, b"of bob")
    with leg(programs, "bob", "imap") as imap:
        programs.mshare("bob", "edit", str(item["id"]), "--with", change)
        assert imap.up < 50_000
    first, second = programs.mshare("bob", "versions", "shared.bin", "--json").json
    assert (first["sender"], second["sender"]) == ("alice@a.example", None)
    octets = file.read_bytes()
    for version, expected in (
        ("1", octets),
        ("2", octets[:7] + b"of bob" + octets[7:]),
    ):
        place = tmp_path / version
        programs.mshare("bob", "get", "shared.bin", "--version", version, "-o", place)
        assert place.read_bytes() == expected
    place = tmp_path / "of alice"
    programs.mshare("alice", "get", "shared.bin", "-o", place)
    assert place.read_bytes() == octets


def test_plain_imaplib_does_the_same(programs: Programs, film: Path) -> None:
    id_ = str(uploaded(programs, "alice", film)["id"])
    box = mailbox(programs, "alice")
    uid = find(box, "Library", "HEADER", "Share-Item", id_).decode()
    (validity,) = box.response("UIDVALIDITY")[1]
    assert validity is not None
    url = f"/Library;UIDVALIDITY={validity.decode()}/;UID={uid}/;SECTION=1/;PARTIAL="
    head = (
        b"Content-Type: application/octet-stream\r\n"
        b"Content-Transfer-Encoding: binary\r\n\r\n"
    )
    tag = box._new_tag()
    box.send(tag + b" UID REPLACE %b Library CATENATE (" % uid.encode())
    box.send(b"TEXT ~{%d}\r\n" % len(head))
    assert box.readline().startswith(b"+")
    box.send(head + f' URL "{url}0.{SIZE - 5}"'.encode() + b" TEXT ~{3+}\r\nnew")
    box.send(f' URL "{url}{SIZE - 5}.5")\r\n'.encode())
    while not (line := box.readline()).startswith(tag):
        assert line.startswith(b"* ")
    assert line.startswith(tag + b" OK")
    now = find(box, "Library", "HEADER", "Share-Item", id_).decode()
    octets = film.read_bytes()
    assert binary(box, now, "1") == octets[:-5] + b"new" + octets[-5:]
    old = find(box, "Versions", "HEADER", "Share-Item", id_).decode()
    assert binary(box, old, "1") == octets
    box.logout()
