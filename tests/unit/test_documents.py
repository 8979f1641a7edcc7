# SPDX-License-Identifier: Apache-2.0
"""What is written from the code is what stands in the tree."""

from __future__ import annotations

import re
from itertools import pairwise
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
    text = (ROOT / "docs/invariants.md").read_text()
    numbers = [int(number) for number in re.findall(r"(?m)^(\d+)\. ", text)]
    assert numbers == list(range(1, len(numbers) + 1))
    rules = re.split(r"(?m)^\d+\. ", text)[1:]
    for rule in rules:
        assert is_shown(rule) or "import-linter" in rule, rule


def is_shown(text: str) -> bool:
    """Whether it names tests; all that it names have to exist."""
    named = re.findall(r"`(tests/[^`:]*)(?:::(\w+))?`", text)
    for path, test in named:
        assert (ROOT / path).exists(), path
        assert not test or f"def {test}(" in (ROOT / path).read_text(), test
    return bool(named)


def rows(text: str) -> list[str]:
    """Return the rows of all tables, without their heads."""
    lines = [*text.splitlines(), ""]
    return [
        line
        for line, below in pairwise(lines)
        if line.startswith("| ") and not below.startswith("|--")
    ]


def test_every_step_of_the_seed_names_the_flow_that_shows_it() -> None:
    found = rows((ROOT / "docs/seed.md").read_text())
    for row in found:
        assert "`tests/flows/" in row, row
        assert is_shown(row), row
    firsts = " ".join(row.split("|")[1].strip() for row in found)
    told = {
        number
        for first, last in re.findall(r"\b(\d{3,4})(?:-(\d{3,4}))?", firsts)
        for number in range(int(first), int(last or first) + 1)
    }
    steps = [range(201, 222), range(300, 305), range(501, 504), range(1001, 1005)]
    assert told == {number for each in steps for number in each}


def test_every_section_of_the_flow_says_what_shows_it() -> None:
    text = (ROOT / "docs/flow.md").read_text()
    for section in re.split(r"(?m)^## ", text)[1:]:
        assert is_shown(section), section.splitlines()[0]


def test_every_source_file_says_its_licence() -> None:
    for package, licence in (
        ("maild", "Apache-2.0"),
        ("terminal_client", "GPL-3.0-only"),
    ):
        for path in (ROOT / package).rglob("*.py"):
            first = path.read_text().split("\n", 1)[0]
            assert first == f"# SPDX-License-Identifier: {licence}", path
