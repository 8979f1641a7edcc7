# SPDX-License-Identifier: GPL-3.0-only
"""What somebody who watches transfers reads."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from maild.mail.transfer import State
from terminal_client.following import on_screen
from terminal_client.transfers import Transfer
from terminal_client.verbs import status

MB = 10**6
MOVING = Transfer(
    "t1", 1, State.TRANSFERRING, "bob@b.example", "film.mov", 10 * MB, 100 * MB, rate=MB
)


def test_each_change_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with on_screen(each=True) as show:
        show(replace(MOVING, state=State.CONNECTING, octets=0, rate=0))
        show(MOVING)
        show(replace(MOVING, octets=60 * MB))
        show(replace(MOVING, octets=60 * MB, rate=2 * MB))
        show(replace(MOVING, octets=100 * MB, state=State.SENT, rate=0))
    assert capsys.readouterr().err.splitlines() == [
        "film.mov to bob@b.example: connecting",
        "film.mov to bob@b.example: transferring",
        "film.mov to bob@b.example: 10 % of 100 MB, 1.0 MB/s, 1 min 30 s to go",
        "film.mov to bob@b.example: 60 % of 100 MB, 1.0 MB/s, 40 s to go",
        "film.mov to bob@b.example: sent",
    ]


def test_foreign_text_cannot_draw(capsys: pytest.CaptureFixture[str]) -> None:
    with on_screen(each=True) as show:
        show(replace(MOVING, name="a\x1b[2Jb\nc"))
    told = capsys.readouterr().err
    assert "\x1b" not in told
    assert len(told.splitlines()) == 2


def test_json_is_one_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    status.say_json(MOVING)
    status.say_json(replace(MOVING, octets=60 * MB))
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line)["octets"] for line in lines] == [10 * MB, 60 * MB]
