# SPDX-License-Identifier: Apache-2.0
"""`explain` knows every code that the code can give, and no other."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from maild.mail import codes

ROOT = Path(__file__).parents[3]


FROM_ELSEWHERE = {
    "maild/delivery/client.py",
    "maild/delivery/keeping.py",
    "maild/delivery/ladder.py",
    "maild/queue/notices.py",
    "maild/smtpd/replies.py",
    "maild/store/passed.py",
    "maild/store/transfers.py",
    "maild/wire/smtp_reply.py",
    "terminal_client/session_smtp.py",
}
"""Files that make a `Reply` of what another server, or the queue, has said."""


def calls() -> Iterator[tuple[str, ast.Call]]:
    """Yield every call in the code, with its file."""
    for package in ("maild", "terminal_client"):
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call):
                    yield str(path.relative_to(ROOT)), node


def code_in(call: ast.Call) -> str | None:
    """Return the code that a call writes out: a reply code beside its detail."""
    values = [a.value if isinstance(a, ast.Constant) else None for a in call.args]
    for code, detail in pairwise(values):
        if not (isinstance(code, int) and isinstance(detail, str)):
            continue
        if 200 <= code < 600 and re.fullmatch(r"[0-9]+\.[0-9]+", detail):
            return f"{code // 100}.{detail}"
    return None


def test_every_reply_writes_its_code_out() -> None:
    vague = {
        where
        for where, call in calls()
        if ast.unparse(call.func) == "Reply"
        and code_in(call) is None
        and "''" not in map(ast.unparse, call.args)  # 220, 334, 354 give none
    }
    assert vague <= FROM_ELSEWHERE


def given() -> dict[str, str]:
    found = ((code_in(call), where) for where, call in calls())
    return {code: where for code, where in found if code}


def test_none_is_missing() -> None:
    missing = {c: where for c, where in given().items() if c not in codes.MEANINGS}
    assert missing == {}


def test_none_is_superfluous() -> None:
    assert set(codes.MEANINGS) - set(given()) == set()


@pytest.mark.parametrize("code", sorted(codes.MEANINGS))
def test_sentences(code: str) -> None:
    meaning = codes.MEANINGS[code]
    assert meaning.means[0].isupper()
    assert meaning.means.endswith(".")
    assert meaning.do.endswith(".")
    assert not meaning.title.endswith(".")


def test_the_same_detail_has_the_same_title() -> None:
    titles = {(c.partition(".")[2], m.title) for c, m in codes.MEANINGS.items()}
    assert len(titles) == len({detail for detail, _ in titles})


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("5.7.1", "5.7.1"),
        ("550 5.7.1 content needs an accepted offer", "5.7.1"),
        ("dsn=4.4.2, status=deferred", "4.4.2"),
        ("relay=[127.0.0.1]: 451 4.3.0 later", "4.3.0"),
    ],
)
def test_a_code_is_found_in_a_line(text: str, code: str) -> None:
    found = codes.explain(text)
    assert found is not None
    assert found[0] == code


@pytest.mark.parametrize("text", ["", "5.7", "3.1.1", "4.99.99", "15.7.1", "192.5.7.1"])
def test_what_is_not_known(text: str) -> None:
    assert codes.explain(text) is None
