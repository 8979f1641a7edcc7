# SPDX-License-Identifier: Apache-2.0
"""`explain` knows every code that the code can give, and no other."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from maild.mail import codes

ROOT = Path(__file__).parents[3]


def calls() -> Iterator[tuple[str, ast.Call]]:
    """Yield every ``Reply(...)`` in the code, with where it stands."""
    for package in ("maild", "terminal_client"):
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and ast.unparse(node.func) == "Reply":
                    yield f"{path.relative_to(ROOT)}:{node.lineno}", node


def code_of(call: ast.Call) -> str | None:
    """Return the code that a call gives; None when another server chose it."""
    named = {k.arg: k.value for k in call.keywords}
    code = call.args[0] if call.args else named.get("code")
    detail = call.args[1] if len(call.args) > 1 else named.get("detail")
    if not isinstance(detail, ast.Constant) or not detail.value:
        return None
    assert isinstance(code, ast.Constant), f"{ast.unparse(call)}: write the code out"
    return f"{str(code.value)[0]}.{detail.value!s}"


def given() -> dict[str, str]:
    found = ((code_of(call), where) for where, call in calls())
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
