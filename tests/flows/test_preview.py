# SPDX-License-Identifier: GPL-3.0-only
"""Looking into a large item, and getting pieces of it, costs less than a mebibyte."""

from __future__ import annotations

import io
import os
import tarfile
import wave
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.flows.legs import leg, running
from tests.flows.plain import mailbox
from tests.flows.programs import Programs, eventually
from tests.flows.story import item_at, offer_at

MIB = 2**20
LARGE = 64 * MIB
"""Octets that a look must not fetch."""
LETTER = b"dear bob\n" * 500


def sparse(path: Path, octets: int) -> Path:
    """Make a large file fast: random at both ends, a hole between."""
    with path.open("wb") as file:
        file.write(os.urandom(MIB))
        file.truncate(octets - MIB)
        file.seek(octets - MIB)
        file.write(os.urandom(MIB))
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("preview")


@pytest.fixture(scope="module")
def archives(programs: Programs, folder: Path) -> dict[str, Path]:
    """A zip and a tar in alice's Library, each with a large member and small ones."""
    large = sparse(folder / "large.bin", LARGE)
    made = {"zip": folder / "photos.zip", "tar": folder / "photos.tar"}
    with zipfile.ZipFile(made["zip"], "w") as archive:
        archive.write(large, "raw/large.bin")
        for number in range(300):
            archive.writestr(f"notes/{number}.txt", f"note {number}\n")
        archive.writestr("../../letter.txt", LETTER, zipfile.ZIP_DEFLATED)
    with tarfile.open(made["tar"], "w") as archive:
        for number in range(3):
            archive.add(large, f"raw/{number}.bin")
        member = tarfile.TarInfo("docs/letter.txt")
        member.size = len(LETTER)
        archive.addfile(member, io.BytesIO(LETTER))
    large.unlink()
    for path in made.values():
        programs.mshare("alice", "upload", path)
    return made


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_an_archive_is_listed_for_less_than_a_mebibyte(
    programs: Programs, archives: dict[str, Path], kind: str
) -> None:
    name = archives[kind].name
    with leg(programs, "alice", "imap") as counted:
        seen = programs.mshare("alice", "preview", name, "--json").json
    print(f"\n{name}: {counted.total:,} octets")
    assert counted.total < MIB
    assert counted.accepted == 1
    assert (seen["kind"], seen["format"], seen["whole"]) == ("archive", kind, True)
    listed = {entry["name"]: entry["size"] for entry in seen["entries"]}
    letter = "../../letter.txt" if kind == "zip" else "docs/letter.txt"
    assert listed[letter] == len(LETTER)
    assert len(listed) == {"zip": 302, "tar": 4}[kind]
    shown = programs.mshare("alice", "preview", name).out
    assert letter in shown


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_a_member_is_got_for_what_it_weighs(
    programs: Programs, archives: dict[str, Path], kind: str, folder: Path
) -> None:
    place = folder / f"from-{kind}" / "inside"
    place.mkdir(parents=True)
    name = archives[kind].name
    with leg(programs, "alice", "imap") as counted:
        words = ["get", name, "--part", "letter.txt", "-o", f"{place}/"]
        done = programs.mshare("alice", *words)
    assert counted.total < MIB
    assert Path(done.out.strip()) == place / "letter.txt"
    assert (place / "letter.txt").read_bytes() == LETTER
    # Nothing was written where the member's own name leads.
    assert [p.name for p in place.parent.iterdir()] == ["inside"]
    assert [p.name for p in place.iterdir()] == ["letter.txt"]
    missing = programs.mshare("alice", "get", name, "--part", "no.txt", expect=66)
    assert "there is no file no.txt in the archive" in missing.err


@pytest.mark.parametrize(
    ("wanted", "start", "end"),
    [("1000-4999", 1000, 5000), ("-700", -700, None), (f"{LARGE}-", LARGE, None)],
)
def test_a_range_is_got_alone(
    programs: Programs,
    archives: dict[str, Path],
    folder: Path,
    wanted: str,
    start: int,
    end: int | None,
) -> None:
    octets = archives["zip"].read_bytes()[start:end]
    place = folder / "range.bin"
    with leg(programs, "alice", "imap") as counted:
        words: list[str | Path] = ["--range", wanted, "-o", place, "--force"]
        programs.mshare("alice", "get", "photos.zip", *words)
    assert place.read_bytes() == octets
    assert counted.total < MIB
    beyond = ["get", "photos.zip", "--range", "999999999-"]
    assert "no octets in that range" in programs.mshare("alice", *beyond, expect=65).err


def test_text_and_sound(programs: Programs, folder: Path) -> None:
    text = folder / "evil.txt"
    text.write_bytes(b"\x1b]0;owned\x07title\n" + b"line\n" * 200_000)
    sound = folder / "tone.wav"
    with wave.open(str(sound), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(44100)
        file.writeframes(bytes(4 * 44100 * 30))
    programs.mshare("alice", "upload", text, sound)
    with leg(programs, "alice", "imap") as counted:
        shown = programs.mshare("alice", "preview", text.name)
    assert "\x1b" not in shown.out
    assert "]0;owned" in shown.out
    assert "the beginning only" in shown.err
    told = programs.mshare("alice", "preview", sound.name).out
    assert "audio (WAV)" in told
    assert "30 s, PCM, 44100 Hz, 2 channels" in told
    assert counted.total < MIB


def test_what_still_arrives_is_looked_into(programs: Programs, folder: Path) -> None:
    path = folder / "arriving.tar"
    large = sparse(folder / "middle.bin", 48 * MIB)
    with tarfile.open(path, "w") as archive:
        for number in range(3):
            archive.add(large, f"{number}.bin")
    hold = 80 * MIB
    with (
        leg(programs, "alice", "submission", hold_after=hold) as proxy,
        running(programs, "alice", "send", path, programs.account("bob")["address"]),
    ):
        programs.mshare("bob", "accept", offer_at(programs, "bob", path.name)["id"])
        item = item_at(programs, "bob", path.name)
        assert proxy.held.wait(60)
        seen = eventually(lambda: _looked(programs, item["id"], 2), "two are there")
        assert [e["name"] for e in seen["entries"]] == ["0.bin", "1.bin"]
        assert seen["arriving"]
        assert "are there yet" in seen["remarks"][0]
        words = ["get", item["id"], "--range", "1000-1999", "-o", folder / "bit"]
        programs.mshare("bob", *words)
        assert (folder / "bit").read_bytes() == path.read_bytes()[1000:2000]
        later = programs.mshare("bob", "get", item["id"], "--part", "x", expect=75)
        assert "cannot be found yet" in later.err
        proxy.release()


def test_a_download_is_seen_from_a_second_connection(
    programs: Programs, folder: Path
) -> None:
    file = sparse(folder / "read.bin", 40 * MIB)
    programs.mshare("alice", "upload", file)
    item = item_at(programs, "alice", file.name)

    def read() -> int:
        listed = programs.mshare("alice", "ls", "--json").json
        found = next(i["read"] for i in listed if i["id"] == item["id"])
        return int(found or 0)

    # A look is no download.
    programs.mshare("alice", "preview", item["id"])
    assert read() == 0
    entry = f"/private/vendor/maild/read/{item['id'].lower()}"
    hold = 20 * MIB
    with (
        leg(programs, "alice", "imap", hold_after=hold, holding="down") as proxy,
        running(programs, "alice", "get", item["id"], "-o", folder / "copy") as getting,
    ):
        assert proxy.held.wait(60)
        with mailbox(programs, "alice") as watching:
            watching.xatom("ENABLE", "METADATA")
            assert 4 * MIB <= eventually(read, "it is being read") < 40 * MIB
            proxy.release()
            assert getting.wait(60) == 0
            assert read() == 40 * MIB
            told = watching.noop()[1] and watching.response("METADATA")[1]
            assert any(entry in str(line) for line in told)
    # It goes with the item.
    with mailbox(programs, "alice") as removing:
        removing.select("Library")
        removing.uid("STORE", str(item["uid"]), "+FLAGS", r"(\Deleted)")
        removing.expunge()
        removing.xatom("GETMETADATA", "Library", entry)
        assert removing.response("METADATA")[1] == [None]


def test_pieces_of_an_older_version_are_its_own(
    programs: Programs, folder: Path
) -> None:
    """Whose UID in Versions is somebody else's in the Library, and of another size."""
    old, new = folder / "old.zip", folder / "new.txt"
    with zipfile.ZipFile(old, "w") as archive:
        archive.writestr("a.txt", LETTER)
    new.write_bytes(b"short\n")
    id_ = programs.mshare("alice", "upload", "--json", old).json[0]["id"]
    programs.mshare("alice", "put", new, id_)
    octets, last = old.read_bytes(), old.stat().st_size - 1
    for wanted, expected in (
        ("0-9", octets[:10]),
        ("500-599", octets[500:600]),
        ("-10", octets[-10:]),
        (f"{last}-", octets[-1:]),
    ):
        place = folder / f"piece {wanted}"
        words = ("get", id_, "--version", "1", f"--range={wanted}", "-o", place)
        programs.mshare("alice", *words)
        assert place.read_bytes() == expected, wanted
    place = folder / "a.txt"
    member = ("--part", "a.txt", "-o", place)
    programs.mshare("alice", "get", id_, "--version", "1", *member)
    assert place.read_bytes() == LETTER


def test_the_sender_learns_of_a_download_only_from_the_reader(
    programs: Programs, folder: Path
) -> None:
    file = folder / "told.bin"
    file.write_bytes(os.urandom(50_000))
    programs.mshare("alice", "send", file, programs.account("bob")["address"])
    programs.mshare("bob", "accept", offer_at(programs, "bob", file.name)["id"])
    item = item_at(programs, "bob", file.name, 50_000)

    def receipts() -> list[dict[str, Any]]:
        letters = programs.mshare("alice", "inbox", "--json").json
        return [m for m in letters if m["subject"] == f"Downloaded: {file.name}"]

    programs.mshare("bob", "get", item["id"], "-o", folder / "untold")
    told = programs.mshare(
        "bob", "get", item["id"], "-o", folder / "told", "--tell-sender"
    )
    assert "alice@a.example is told" in told.err
    (receipt,) = eventually(receipts, "alice is told")
    assert receipt["sender"] == "bob@b.example"
    own = programs.mshare(
        "alice", "get", file.name, "-o", folder / "own", "--tell-sender", expect=64
    )
    assert "has no sender who could be told" in own.err


def _looked(programs: Programs, item: str, members: int) -> dict[str, Any] | None:
    seen: dict[str, Any] = programs.mshare("bob", "preview", item, "--json").json
    return seen if len(seen["entries"]) >= members else None
