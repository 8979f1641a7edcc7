# SPDX-License-Identifier: Apache-2.0
"""What a person meets at the prompt: deleting, an editor that deletes, Ctrl-C."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from tests.flows.legs import running
from tests.flows.programs import Programs, eventually
from tests.flows.story import offer_at, transfer_of


def uploaded(programs: Programs, file: Path) -> str:
    file.write_text(f"{file.name}\n" * 100)
    return str(programs.mshare("alice", "upload", "--json", file).json[0]["id"])


def test_deleted_it_goes_with_all_that_is_of_it(
    programs: Programs, tmp_path: Path
) -> None:
    file, new = tmp_path / "unwanted.txt", tmp_path / "new"
    id_ = uploaded(programs, file)
    new.write_text("another version\n")
    programs.mshare("alice", "put", new, id_)
    programs.mshare("alice", "send", id_, "bob@b.example")
    offer_at(programs, "bob", file.name)
    said = programs.mshare("alice", "rm", id_, expect=os.EX_USAGE)
    assert "say --yes to delete" in said.err
    words = ("rm", id_, "no such item", "--yes")
    programs.mshare("alice", *words, expect=os.EX_NOINPUT)
    known = programs.mshare("alice", "ls", "--json").json
    assert id_ in {item["id"] for item in known}, "all are found before one goes"

    said = programs.mshare("alice", "rm", id_[:6], "--yes")
    assert said.out == f"{file.name}: deleted ({id_})\n"
    programs.mshare("alice", "versions", id_, expect=os.EX_NOINPUT)
    transfer_of(programs, "alice", file.name, "cancelled")

    def offered() -> list[Any]:
        offers = programs.mshare("bob", "offers", "--json").json
        return [offer for offer in offers if offer["name"] == file.name]

    eventually(lambda: not offered(), "bob's offer is withdrawn")
    again = programs.mshare("alice", "upload", "--json", file).json[0]
    assert again["uploaded"], "what was deleted is not taken as there"


def test_an_editor_that_removes_the_file(programs: Programs, tmp_path: Path) -> None:
    id_ = uploaded(programs, tmp_path / "notes.txt")
    said = programs.mshare("alice", "edit", id_, "--with", "rm", expect=os.EX_NOINPUT)
    assert "so nothing was sent: notes.txt is as it was" in said.err
    assert "kept" not in said.err
    assert len(programs.mshare("alice", "versions", id_, "--json").json) == 1


def test_a_directory_that_was_mistyped_is_not_made(
    programs: Programs, tmp_path: Path
) -> None:
    id_ = uploaded(programs, tmp_path / "letter.txt")
    typo = tmp_path / "vidoes" / "2026"
    said = programs.mshare("alice", "get", id_, "-o", f"{typo}/", expect=73)
    assert f"the directory {typo} cannot be made" in said.err
    assert not typo.parent.exists()
    programs.mshare("alice", "get", id_, "-o", f"{typo.parent}/")
    assert (typo.parent / "letter.txt").exists()


def test_who_watches_ends_it_by_an_interrupt(programs: Programs) -> None:
    with running(programs, "bob", "attend", "--json") as attending:
        assert attending.stdout is not None
        programs.mshare("alice", "send", __file__, "bob@b.example")
        assert attending.stdout.readline()
        attending.send_signal(signal.SIGINT)
        assert attending.wait(60) == os.EX_OK
    id_ = transfer_of(programs, "alice", Path(__file__).name, "offered")["id"]
    for words, status in (((), os.EX_OK), ((id_,), os.EX_TEMPFAIL)):
        with running(programs, "alice", "status", *words, "--watch", "--json") as seen:
            assert seen.stdout is not None
            assert seen.stdout.readline()
            seen.send_signal(signal.SIGINT)
            assert seen.wait(60) == status
