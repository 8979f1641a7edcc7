# SPDX-License-Identifier: GPL-3.0-only
"""Where downloads go: a part that waits for the next run, then the name."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from maild.mail.address import parse_address
from terminal_client import errors
from terminal_client.destination import Destination, destination
from terminal_client.library import Item

ALICE, BOB = parse_address("alice@a.example"), parse_address("bob@b.example")
ITEM = Item("item1", 7, "2", "film.mov", "x/y", 3, None, False, None, None)


def place_in(
    wanted: Path, item: Item = ITEM, *, force: bool = False, of: str = "alice"
) -> Destination:
    account = ALICE if of == "alice" else BOB
    return destination(item, wanted, account, replace=force)


def filled(place: Destination, octets: bytes = b"new") -> Path:
    place.open(len(octets)).sink.write(octets)
    return place.keep()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_whole(tmp_path: Path) -> None:
    place = place_in(tmp_path)
    arrival = place.open(3)
    arrival.sink.write(b"ne")
    (part,) = names(tmp_path)
    assert part.startswith("film.mov.")
    assert part.endswith(".part")
    arrival.sink.write(b"w")
    assert place.keep() == tmp_path / "film.mov"
    place.close()
    assert names(tmp_path) == ["film.mov"]


def test_what_has_arrived_waits_for_the_next_run(tmp_path: Path) -> None:
    first = place_in(tmp_path)
    first.open(3).sink.write(b"ne")
    first.close()
    second = place_in(tmp_path)
    arrival = second.open(3)
    assert (arrival.octets, second.found) == (2, 2)
    arrival.sink.write(b"w")
    assert second.keep().read_bytes() == b"new"
    assert names(tmp_path) == ["film.mov"]


def test_it_is_found_though_the_name_is_taken_now(tmp_path: Path) -> None:
    first = place_in(tmp_path)
    first.open(3).sink.write(b"ne")
    first.close()
    (tmp_path / "film.mov").write_text("old")
    second = place_in(tmp_path)
    assert second.open(3).octets == 2
    second.keep()
    assert names(tmp_path) == ["film (2).mov", "film.mov"]


@pytest.mark.parametrize(
    "other",
    [replace(ITEM, id="item2"), replace(ITEM, size=4)],
    ids=["another item", "another size"],
)
def test_no_other_item_takes_it(tmp_path: Path, other: Item) -> None:
    first = place_in(tmp_path)
    first.open(3).sink.write(b"ne")
    first.close()
    second = place_in(tmp_path, other)
    assert second.open(other.size).octets == 0
    second.close()
    third = place_in(tmp_path)
    assert third.open(3).octets == 2
    third.close()


def test_no_other_account_takes_it(tmp_path: Path) -> None:
    first = place_in(tmp_path)
    first.open(3).sink.write(b"ne")
    first.close()
    second = place_in(tmp_path, of="bob")
    assert second.open(3).octets == 0
    second.close()


@pytest.mark.parametrize(("size", "go_on"), [(1, True), (3, False)])
def test_what_cannot_be_gone_on_with_is_dropped(
    tmp_path: Path, size: int, go_on: bool
) -> None:
    first = place_in(tmp_path)
    first.open(3).sink.write(b"ne")
    first.close()
    second = place_in(tmp_path)
    assert second.open(size, go_on=go_on).octets == 0
    second.close()
    assert names(tmp_path) == []


def test_nothing_is_left_of_nothing(tmp_path: Path) -> None:
    place = place_in(tmp_path)
    place.open(3)
    place.close()
    assert names(tmp_path) == []


def test_nothing_is_left_of_what_was_wrong(tmp_path: Path) -> None:
    place = place_in(tmp_path)
    place.open(3).sink.write(b"ne")
    place.discard()
    place.close()
    assert names(tmp_path) == []


def test_a_file_that_exists_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "film.mov").write_text("old")
    assert filled(place_in(tmp_path)) == tmp_path / "film (2).mov"
    assert (tmp_path / "film.mov").read_text() == "old"


def test_a_file_that_comes_into_being_meanwhile_too(tmp_path: Path) -> None:
    place = place_in(tmp_path)
    place.open(3).sink.write(b"new")
    (tmp_path / "film.mov").write_text("old")
    assert place.keep() == tmp_path / "film (2).mov"
    assert (tmp_path / "film.mov").read_text() == "old"


def test_force_replaces(tmp_path: Path) -> None:
    (tmp_path / "film.mov").write_text("old")
    assert filled(place_in(tmp_path, force=True)).read_text() == "new"
    assert names(tmp_path) == ["film.mov"]


def test_a_name_that_was_asked_for_is_kept_or_refused(tmp_path: Path) -> None:
    wanted = tmp_path / "mine.mov"
    assert filled(place_in(wanted)) == wanted
    with pytest.raises(errors.CannotCreateError, match="--force"):
        filled(place_in(wanted))
    assert filled(place_in(wanted, force=True)) == wanted


def test_a_foreign_name_stays_in_its_directory(tmp_path: Path) -> None:
    foreign = replace(ITEM, name="../../etc/passwd")
    assert filled(place_in(tmp_path, foreign)).parent == tmp_path


def part_of(folder: Path) -> Path:
    place = place_in(folder)
    place.open(3)
    (name,) = names(folder)
    place.close()
    return folder / name


def test_a_link_at_the_part_is_not_followed(tmp_path: Path) -> None:
    part_of(tmp_path).symlink_to(tmp_path / "precious")
    with pytest.raises(errors.CannotCreateError):
        place_in(tmp_path).open(1)
    assert not (tmp_path / "precious").exists()


def test_no_room_is_known_before_any_octet(tmp_path: Path) -> None:
    with pytest.raises(errors.CannotCreateError, match="has room for"):
        place_in(tmp_path).open(2**60)
    assert names(tmp_path) == []


def test_two_at_once(tmp_path: Path) -> None:
    first = place_in(tmp_path)
    first.open(1)
    second = place_in(tmp_path)
    with pytest.raises(errors.CannotCreateError, match="another mshare"):
        second.open(1)
    second.close()
    first.discard()


def test_a_part_that_got_its_name_meanwhile_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between opening and locking it, whoever had it may have ended."""
    first = place_in(tmp_path, force=True)
    first.open(3).sink.write(b"new")
    opened = os.open
    kept: list[Path] = []

    def slow(path: Path, *rest: int) -> int:
        handle = opened(path, *rest)
        if not kept and str(path).endswith(".part"):
            kept.append(first.keep())
        return handle

    monkeypatch.setattr(os, "open", slow)
    second = place_in(tmp_path, force=True)
    assert second.open(3).octets == 0
    assert kept[0].read_bytes() == b"new"
    second.close()


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(errors.CannotCreateError):
        place_in(tmp_path / "no" / "where").open(1)


def test_a_device_is_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(errors.CannotCreateError, match="not a regular file"):
        place_in(pipe, force=True).open(1)
    assert pipe.is_fifo()
    assert names(tmp_path) == ["pipe"]


def test_a_part_with_another_name_is_not_written(tmp_path: Path) -> None:
    """Somebody who can link to it could read what comes."""
    part = part_of(tmp_path)
    (tmp_path / "eve").write_text("mine")
    part.hardlink_to(tmp_path / "eve")
    with pytest.raises(errors.CannotCreateError, match="not ours"):
        filled(place_in(tmp_path))
    assert (tmp_path / "eve").read_text() == "mine"
