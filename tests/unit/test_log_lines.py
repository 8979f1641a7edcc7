# SPDX-License-Identifier: Apache-2.0
"""Log lines look as Postfix's do."""

from __future__ import annotations

import logging
import os

import pytest

from maild.log_lines import PostfixLines, program

PID = os.getpid()


def record(level: int, name: str = "maild.delivery") -> logging.LogRecord:
    return logging.LogRecord(name, level, __file__, 1, "x: %s", ("y",), None)


@pytest.mark.parametrize(
    ("name", "tag"),
    [
        ("maild", "maild"),
        ("maild.delivery", "maild/delivery"),
        ("maild.smtpd.session", "maild/smtpd"),
        ("asyncio", "maild/asyncio"),
        ("mail.log", "maild/mail"),
    ],
)
def test_program(name: str, tag: str) -> None:
    assert program(name) == tag


def test_lines() -> None:
    lines = PostfixLines()
    assert lines.format(record(logging.INFO)) == f"maild/delivery[{PID}]: x: y"
    said = lines.format(record(logging.WARNING))
    assert said == f"maild/delivery[{PID}]: warning: x: y"


def test_the_journal_learns_the_priority() -> None:
    said = PostfixLines(journal=True).format(record(logging.ERROR))
    assert said == f"<3>maild/delivery[{PID}]: error: x: y"


def test_every_line_of_a_traceback_has_the_tag() -> None:
    with pytest.raises(ValueError, match="first") as caught:
        int("first\nsecond")
    failed = record(logging.ERROR)
    failed.exc_info = (caught.type, caught.value, caught.tb)
    lines = PostfixLines().format(failed).splitlines()
    assert len(lines) > 3
    assert all(line.startswith(f"maild/delivery[{PID}]: ") for line in lines)
