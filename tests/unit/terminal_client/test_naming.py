# SPDX-License-Identifier: GPL-3.0-only
"""Foreign names: none leaves its directory, none says what it is not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terminal_client.naming import MAX_NAME, free_place, safe_name, shown, told_name


@pytest.mark.parametrize(
    ("foreign", "local"),
    [
        ("film.mov", "film.mov"),
        ("../../etc/passwd", "_.._etc_passwd"),
        ("/etc/shadow", "_etc_shadow"),
        ("-rf", "_-rf"),
        ("..\\..\\x", "_.._x"),
        ("..", "unnamed"),
        (".", "unnamed"),
        ("", "unnamed"),
        (".bashrc", "bashrc"),
        ("a\0b", "a_b"),
        ("a\r\nb", "a__b"),
        ("gpj\u202eexe", "gpj_exe"),
        ("con", "_con"),
        ("NUL.txt", "_NUL.txt"),
        ("film 🎬 ∕ final.mov", "film 🎬 ∕ final.mov"),
        ("👩‍💻.txt", "👩‍💻.txt"),
        ("trailing. ", "trailing"),
        ("\ud800x", "_x"),
    ],
)
def test_names(foreign: str, local: str) -> None:
    assert safe_name(foreign) == local


def test_a_long_name_keeps_its_extension() -> None:
    name = safe_name("é" * 300 + ".tar")
    assert name.endswith("é.tar")
    assert len(name.encode()) <= MAX_NAME


@given(st.text(st.characters(), max_size=400))
def test_any_name_is_one_plain_name(foreign: str) -> None:
    name = safe_name(foreign)
    assert name
    assert Path("/tmp/x", name).parent == Path("/tmp/x")
    assert len(name.encode()) <= MAX_NAME + 1
    assert name not in {".", ".."}
    assert not name.startswith(".")
    assert "\0" not in name


def test_shown_is_one_printable_line() -> None:
    assert shown("a\x1b[2Jb\nc\u202ed") == "a\ufffd[2Jb\ufffdc\ufffdd"
    assert len(shown("x" * 1000)) == 300


def test_a_taken_place_is_left_alone(tmp_path: Path) -> None:
    assert free_place(tmp_path, "a.txt") == tmp_path / "a.txt"
    (tmp_path / "a.txt").touch()
    assert free_place(tmp_path, "a.txt") == tmp_path / "a (2).txt"
    (tmp_path / "a (2).txt").symlink_to("nowhere")
    assert free_place(tmp_path, "a.txt") == tmp_path / "a (3).txt"
    (tmp_path / "noext").touch()
    assert free_place(tmp_path, "noext") == tmp_path / "noext (2)"


def test_others_are_told_a_name_they_can_read() -> None:
    assert told_name(Path("/x/film.mov")) == "film.mov"
    assert told_name(Path(os.fsdecode(b"/x/\xff.txt"))) == "\ufffd.txt"
