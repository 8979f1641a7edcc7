# SPDX-License-Identifier: GPL-3.0-only
"""The screen in a real terminal: an offer is accepted, its item got, by single keys."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from PIL import Image

from tests.flows.programs import Programs, eventually, sha256
from tests.flows.story import item_at, offer_at
from tests.flows.terminals import screen


@pytest.mark.parametrize("environment", [{}, {"NO_COLOR": "1"}], ids=["plain", "grey"])
def test_accept_and_get_by_single_keys(
    programs: Programs, tmp_path: Path, environment: dict[str, str]
) -> None:
    file = tmp_path / f"key{len(environment)}.bin"
    file.write_bytes(os.urandom(3_000_000))
    here = tmp_path / "here"
    here.mkdir()
    # What another flow has left open would stay chosen, and be accepted by the key.
    for offer in programs.mshare("bob", "offers", "--json").json:
        if offer["state"] == "open":
            programs.mshare("bob", "decline", offer["id"])
    with screen(programs, "bob", here, "tui", **environment) as shown:
        shown.says("connected")
        programs.mshare("alice", "send", file, programs.account("bob")["address"])
        shown.says(file.name)
        shown.press("a")
        shown.says(f"accepted: {file.name}")
        item = item_at(programs, "bob", file.name, file.stat().st_size)
        shown.press("2")
        # What was there before is still chosen: the newest stands above it.
        shown.says(f"id {item['id']}", while_pressing="\x1b[A")
        shown.press("g")
        shown.says("it is here")
        assert sha256(here / file.name) == sha256(file)
        shown.press("q")
        assert shown.process.wait(20) == 0
        # The terminal is as it was: its settings, its screen, its cursor.
        assert shown.after == shown.before
        assert "\x1b[?1049l" in shown.written
        assert "\x1b[?25h" in shown.written


def test_a_lost_connection_is_shown_and_made_again(
    programs: Programs, tmp_path: Path
) -> None:
    with screen(programs, "bob", tmp_path, "tui") as shown:
        shown.says("bob@b.example")
        shown.says("connected")
        programs.servers["b"].stop()
        try:
            shown.says("not connected:")
            shown.forget()
        finally:
            programs.servers["b"].start()
        shown.says("connected")
        file = tmp_path / "after.bin"
        file.write_bytes(b"after")
        programs.mshare("alice", "send", file, programs.account("bob")["address"])
        shown.says("after.bin")
        shown.press("\x03")
        assert shown.process.wait(20) == 0
        assert shown.after == shown.before


def test_without_a_terminal_it_says_what_to_do(programs: Programs) -> None:
    refused = programs.mshare("bob", "tui", expect=64)
    assert "mshare offers, ls, status --watch" in refused.err


def test_pictures_are_shown_in_the_terminal(programs: Programs, tmp_path: Path) -> None:
    file = tmp_path / "harbour.png"
    noise = Image.frombytes("RGB", (700, 500), os.urandom(700 * 500 * 3))
    noise.save(file)  # larger than what is shown by itself: its thumbnail is
    programs.mshare("alice", "send", file, programs.account("bob")["address"])
    with screen(programs, "alice", tmp_path, "preview", file.name) as shown:
        shown.says("700 x 500 pixels")
        shown.says("▀▀▀▀▀▀")
        assert shown.process.wait(20) == 0
    with screen(programs, "bob", tmp_path, "tui") as shown:
        shown.says(file.name)
        shown.says("▀▀▀▀▀▀")
        shown.press("q")
        assert shown.process.wait(20) == 0
    offer = offer_at(programs, "bob", file.name)
    programs.mshare("bob", "accept", offer["id"])
    item = item_at(programs, "bob", file.name, file.stat().st_size)
    with screen(programs, "bob", tmp_path, "preview", item["id"]) as shown:
        shown.says("▀▀▀▀▀▀")
        assert shown.process.wait(20) == 0
    plain = programs.mshare("bob", "preview", item["id"]).out
    assert "▀" not in plain


def test_a_sending_is_taken_back_by_a_verb(programs: Programs, tmp_path: Path) -> None:
    file = tmp_path / "regretted.bin"
    file.write_bytes(os.urandom(1000))
    programs.mshare("alice", "send", file, programs.account("bob")["address"])
    offer_at(programs, "bob", file.name)
    known = programs.mshare("alice", "status", "--json").json
    (id_,) = [t["id"] for t in known if t["name"] == file.name]
    said = programs.mshare("alice", "cancel", id_)
    assert said.out == "regretted.bin to bob@b.example: cancelled\n"
    assert programs.mshare("alice", "cancel", id_, expect=None).status in (66, 77)

    def gone() -> bool:
        offers = programs.mshare("bob", "offers", "--json").json
        return file.name not in [offer["name"] for offer in offers]

    eventually(gone, "the offer is taken back")
    sent = next(t for t in known if t["state"] == "sent")
    refused = programs.mshare("alice", "cancel", sent["id"], expect=77)
    assert "is sent already" in refused.err
