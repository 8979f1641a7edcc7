# SPDX-License-Identifier: GPL-3.0-only
"""Where items are edited: nothing of an edit is lost, nothing else is left."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from terminal_client.errors import ReplacedError, TryLaterError
from terminal_client.library import Item
from terminal_client.workbench import Workbench, copy

OLD, NEW = b"what it was", b"what it is"


def digest(octets: bytes) -> str:
    return hashlib.sha256(octets).hexdigest()


ITEM = Item(
    id="item1",
    uid=1,
    section="1",
    name="../a b.txt",
    type="text/plain",
    size=len(OLD),
    sha256=digest(OLD),
    own=True,
    sender=None,
    date=None,
)


def laid_out(bench: Workbench, octets: bytes = OLD) -> None:
    bench.must_be_of_now()
    bench.base.write_bytes(octets)
    assert not bench.begin()


def test_an_edit_from_begin_to_end(tmp_path: Path) -> None:
    with Workbench.opened(tmp_path, ITEM) as bench:
        laid_out(bench)
        assert bench.file.parent.parent.parent == tmp_path
        assert bench.file.read_bytes() == OLD
        (bench.file.parent / "a b.txt~").write_bytes(b"a backup")
        (bench.file.parent / "directory").mkdir()
        bench.end(keep=False, digest=digest(NEW))
    assert list((tmp_path / "edits").iterdir()) == []


def test_a_kept_copy_is_the_next_base(tmp_path: Path) -> None:
    now = replace(ITEM, sha256=digest(NEW))
    with Workbench.opened(tmp_path, ITEM) as bench:
        laid_out(bench)
        bench.file.write_bytes(NEW)
        bench.end(keep=True, digest=digest(NEW))
    with Workbench.opened(tmp_path, now) as bench:
        bench.must_be_of_now()
        assert bench.has_base
        assert not bench.begin()
        assert bench.file.read_bytes() == NEW
        bench.end(keep=True, digest=None)
        assert bench.has_base
    with Workbench.opened(tmp_path, ITEM) as bench:
        assert not bench.has_base, "it is another version by now"


def test_a_killed_edit_is_gone_on_with(tmp_path: Path) -> None:
    with Workbench.opened(tmp_path, ITEM) as bench:
        laid_out(bench)
        bench.file.write_bytes(b"half an edit")
    with Workbench.opened(tmp_path, ITEM) as bench:
        bench.must_be_of_now()
        assert bench.has_base
        assert bench.begin(), "there is something to go on with"
        assert bench.file.read_bytes() == b"half an edit"


def test_an_edit_of_an_older_version_is_not_overwritten(tmp_path: Path) -> None:
    now = replace(ITEM, sha256=digest(NEW))
    with Workbench.opened(tmp_path, ITEM) as bench:
        laid_out(bench)
        bench.file.write_bytes(b"half an edit")
    with Workbench.opened(tmp_path, now) as bench:
        with pytest.raises(ReplacedError) as told:
            bench.must_be_of_now()
        assert str(bench.file) in str(told.value)
        bench.file.write_bytes(OLD)  # as it was fetched: nobody has edited it
        laid_out(bench, NEW)
        assert bench.file.read_bytes() == NEW


def test_one_at_a_time(tmp_path: Path) -> None:
    with Workbench.opened(tmp_path, ITEM):
        with pytest.raises(TryLaterError), Workbench.opened(tmp_path, ITEM):
            pass
        with Workbench.opened(tmp_path, replace(ITEM, id="another")):
            pass


def test_copy(tmp_path: Path) -> None:
    source, target = tmp_path / "a", tmp_path / "b"
    for octets in (b"", b"x" * 3_000_000):
        source.write_bytes(octets)
        target.write_bytes(b"longer" * 1000)
        copy(source, target)
        assert target.read_bytes() == octets


def test_copy_without_help_of_the_kernel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise OSError("not here")

    monkeypatch.setattr("os.copy_file_range", refuse)
    test_copy(tmp_path)
