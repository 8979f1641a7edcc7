# SPDX-License-Identifier: Apache-2.0
"""What is written from the code is what stands in the tree."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from maild.documents import citations, documents
from maild.rfcs import TITLES

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("path", "text"),
    list(documents(ROOT)),
    ids=lambda value: getattr(value, "name", ""),
)
def test_a_generated_document_is_up_to_date(path: Path, text: str) -> None:
    assert path.read_text() == text, "run `make docs`"


def test_every_cited_rfc_has_a_title_and_no_other() -> None:
    assert sorted(citations(ROOT)) == sorted(TITLES)


def test_the_house_is_described_briefly() -> None:
    assert len((ROOT / "ARCHITECTURE.md").read_text().splitlines()) < 150


def test_every_invariant_names_what_shows_it() -> None:
    rules = re.split(r"(?m)^\d+\. ", (ROOT / "docs/invariants.md").read_text())[1:]
    assert len(rules) == 27
    for rule in rules:
        named = re.findall(r"`(tests/[^`:]*)(?:::(\w+))?`", rule)
        assert named or "import-linter" in rule, rule
        for path, test in named:
            assert (ROOT / path).exists(), path
            assert not test or f"def {test}(" in (ROOT / path).read_text(), test


def test_every_source_file_says_its_licence() -> None:
    for package, licence in (
        ("maild", "Apache-2.0"),
        ("terminal_client", "GPL-3.0-only"),
    ):
        for path in (ROOT / package).rglob("*.py"):
            first = path.read_text().split("\n", 1)[0]
            assert first == f"# SPDX-License-Identifier: {licence}", path
