# SPDX-License-Identifier: Apache-2.0
"""Who makes way for whom, once all places are taken."""

from __future__ import annotations

from maild.turn.places import Place, who_makes_way

ALICE, BOB = "alice@a.example", "bob@b.example"
EVIL, ACCOMPLICE = "mallory@m.example", "eve@e.example"


def place(
    offer: str,
    sender: str = ALICE,
    to: str = BOB,
    *,
    accepted: bool = True,
    joined: bool = False,
) -> Place:
    return Place((offer, sender, to), accepted, joined)


def held(count: int, *, accepted: bool = True, joined: bool = False) -> list[Place]:
    """Return what two who work together hold."""
    return [
        place(f"offer-{n}", EVIL, ACCOMPLICE, accepted=accepted, joined=joined)
        for n in range(count)
    ]


def test_what_is_accepted_goes_before_offers_that_nobody_has_answered() -> None:
    """Whoever made them, and however few."""
    theirs = held(1, accepted=False)
    for others in (held(3), [place("1"), place("2")]):
        assert who_makes_way([*others, *theirs], place("3")) is theirs[0]
        assert who_makes_way([*theirs, *others], place("3")) is theirs[0]
    most = held(2, accepted=False)
    few = place("1", accepted=False)
    assert who_makes_way([few, *most], place("2", BOB, ALICE)) is most[0]


def test_an_offer_without_answer_takes_no_place_of_what_is_accepted() -> None:
    assert who_makes_way(held(9), place("1", accepted=False)) is None
    assert who_makes_way([*held(9), *held(1, accepted=False)], place("1")) is not None


def test_who_has_most_makes_way_for_who_has_less() -> None:
    for accepted in (True, False):
        theirs = held(4, accepted=accepted)
        newcomer = place("1", accepted=accepted)
        assert who_makes_way(theirs, newcomer) is theirs[0]
        more = [*theirs[1:], newcomer]
        assert who_makes_way(more, place("2", accepted=accepted)) is theirs[1]
        equal = [*theirs[2:], newcomer, place("2", accepted=accepted)]
        assert who_makes_way(equal, place("3", accepted=accepted)) is None


def test_the_last_place_does_not_go_to_and_fro() -> None:
    theirs, ours = held(2), place("1")
    assert who_makes_way([*theirs, ours], place("2")) is None
    assert who_makes_way([*theirs, ours], held(1)[0]) is None


def test_what_is_joined_counts_twice_and_goes_last() -> None:
    joined, waiting = held(3, joined=True), held(1)
    newcomer = place("1")
    assert who_makes_way([*joined, *waiting], newcomer) is waiting[0]
    assert who_makes_way(joined, newcomer) is joined[0]
    assert who_makes_way(held(1, joined=True), newcomer) is not None


def test_people_of_one_domain_share_what_it_has() -> None:
    theirs = [place(f"offer-{n}", "mallory@a.example") for n in range(3)]
    assert who_makes_way(theirs, place("1")) is theirs[0]
    assert who_makes_way(theirs, place("1", "mallory@a.example")) is None
    assert who_makes_way([place("1"), place("2", BOB)], place("3")) is None


def test_who_is_made_offers_holds_no_place() -> None:
    """Another can come in his name: whoever has made the offer knows all of it."""
    theirs = [place(f"offer-{n}", EVIL, ALICE) for n in range(3)]
    assert who_makes_way([*theirs, place("1")], place("2")) is theirs[0]
