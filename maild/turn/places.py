# SPDX-License-Identifier: Apache-2.0
"""Who makes way where all places are taken: a rule about domains, then about people.

The holder of a place is who has made the offer: only he can make as many as he likes,
and he knows enough to come as either end of each.  Content that is accepted goes before
offers that nobody has answered; what remains is shared out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass


@dataclass(slots=True)
class Place:
    """What one end of an offer takes while it waits, or both while they are joined."""

    key: tuple[str, str, str]
    """Of the offer: its id, its sender, its recipient."""
    is_accepted: bool
    """Whether the answer has passed here; it may still come."""
    is_joined: bool = False

    @property
    def connections(self) -> int:
        """How many it is."""
        return 2 if self.is_joined else 1

    @property
    def domain(self) -> str:
        """Whose place it is."""
        return self.key[1].rpartition("@")[2]

    @property
    def homes(self) -> tuple[str, str]:
        """Between whom the offer is."""
        return self.key[1:]


_LEVELS: tuple[Callable[[Place], object], ...] = (
    lambda place: place.domain,
    lambda place: place.homes,
)


def who_makes_way(places: Sequence[Place], newcomer: Place) -> Place | None:
    """Return which of ``places``, the oldest first, ``newcomer`` may have.

    None when it has as much as anybody: who has been there before stays.
    """
    unanswered = [place for place in places if not place.is_accepted]
    in_vain = [place for place in unanswered if not place.is_joined]
    if newcomer.is_accepted and in_vain:
        held = _held(in_vain, _LEVELS[0])
        return _first(in_vain, _LEVELS[0], max(held, key=held.__getitem__))
    rivals = list(places) if newcomer.is_accepted else unanswered
    for whose in _LEVELS:
        held = _held(rivals, whose)
        mine, most = held[whose(newcomer)], max(held.values(), default=0)
        if mine + 1 < most:
            return _first(rivals, whose, max(held, key=held.__getitem__))
        if mine < most:
            return None  # the two would only change places
        rivals = [place for place in rivals if whose(place) == whose(newcomer)]
    return None


def _held(places: Iterable[Place], whose: Callable[[Place], object]) -> Counter[object]:
    """Return how many connections each holder has."""
    held: Counter[object] = Counter()
    for place in places:
        held[whose(place)] += place.connections
    return held


def _first(
    places: Iterable[Place], whose: Callable[[Place], object], holder: object
) -> Place:
    """Return what a holder has had longest; what is joined only if nothing waits."""
    theirs = [place for place in places if whose(place) == holder]
    return min(theirs, key=lambda place: place.is_joined)
