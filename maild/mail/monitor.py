# SPDX-License-Identifier: Apache-2.0
"""What is wrong with an offer, answer or withdrawal that has come in (seed 207).

One chain of rules for everybody: a rendezvous judges by it what it passes on, and a
server what it takes.  Here nothing has a clock or does anything; who asks also counts
(`maild.mail.rate`) and has a picture decoded (`maild.picture`), in this order: what is
cheap comes first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from maild.mail import thumbnail
from maild.mail.address import Address
from maild.mail.offer import (
    Answer,
    Offer,
    OfferError,
    UnknownKindError,
    Withdrawal,
    parse_facts,
)
from maild.mail.reply import Reply

Facts = Offer | Answer | Withdrawal

MOST_OCTETS = 64 * 1024
"""Octets of a whole offer, answer or withdrawal (docs/protocol.md)."""


class Cause(StrEnum):
    """Why one is refused; what logs, counters and ``maild offers ls`` call it."""

    LARGE = "large"
    SCHEMA = "schema"
    SENDER = "sender"
    STALE = "stale"
    SIZE = "size"
    TYPE = "type"
    THUMBNAIL = "thumbnail"
    RATE = "rate"


REPLIES: Final[dict[Cause, Reply]] = {
    Cause.LARGE: Reply(552, "3.4", "an offer has at most 64 KiB"),
    Cause.SCHEMA: Reply(554, "5.5", "its facts cannot be read"),
    Cause.SENDER: Reply(550, "7.7", "its facts are not of who sent it"),
    Cause.STALE: Reply(554, "4.7", "its time is over"),
    Cause.SIZE: Reply(552, "2.3", "what it offers is larger than is taken here"),
    Cause.TYPE: Reply(554, "6.1", "what it offers is of a type that is not taken here"),
    Cause.THUMBNAIL: Reply(554, "6.5", "its thumbnail cannot be shown"),
    Cause.RATE: Reply(450, "7.28", "too many offers from this sender; try again later"),
}
"""What the sender is told; each cause has a code of its own."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What an operator lets in."""

    largest: int
    """Octets that may be offered."""
    refused_types: tuple[str, ...] = ()
    """Media types of files: ``application/x-dosexec``, or ``video/*``."""

    def refuses(self, media_type: str) -> bool:
        """Whether files of a type are not taken."""
        main = media_type.partition("/")[0]
        refused = {each.lower() for each in self.refused_types}
        return bool(refused & {media_type, f"{main}/*", "*/*"})


@dataclass(frozen=True, slots=True)
class Leaf:
    """A part without parts; of a picture also its ``octets``, if they can be had."""

    media_type: str
    octets: bytes | None = None

    @property
    def is_picture(self) -> bool:
        """Whether it can only be the thumbnail."""
        return self.media_type.startswith("image/")


@dataclass(frozen=True, slots=True)
class Seen:
    """One message, as far as the rules look at it."""

    octets: int
    facts: Facts
    sender: Address | None
    """Of its envelope, as is the recipient."""
    recipient: Address
    leaves: tuple[Leaf, ...]

    @property
    def pictures(self) -> list[Leaf]:
        """Its thumbnails: one at most, else something is wrong."""
        return [leaf for leaf in self.leaves if leaf.is_picture]


def read(octets: bytes) -> Facts | Cause | None:
    """Return what a facts part says, or why it is refused.

    None when it is about something else: ordinary mail may carry that.
    """
    try:
        return parse_facts(octets)
    except UnknownKindError:
        return None
    except OfferError:
        return Cause.SCHEMA


def judge(seen: Seen, policy: Policy, now: float) -> Cause | None:
    """Return the first thing that is wrong with a message, or None."""
    found = (rule(seen, policy, now) for rule in _RULES)
    return next((cause for cause in found if cause is not None), None)


def _large(seen: Seen, policy: Policy, now: float) -> Cause | None:
    return Cause.LARGE if seen.octets > MOST_OCTETS else None


def _sender(seen: Seen, policy: Policy, now: float) -> Cause | None:
    """Facts and envelope name the same two, and content comes from the sender's."""
    facts = seen.facts
    ends = (facts.sender, facts.recipient)
    if isinstance(facts, Answer):
        ends = (facts.recipient, facts.sender)
    if seen.sender is None:
        return Cause.SENDER
    if (seen.sender.key, seen.recipient.key) != (ends[0].key, ends[1].key):
        return Cause.SENDER
    strange = isinstance(facts, Offer) and facts.home.lower() != facts.sender.domain
    return Cause.SENDER if strange else None


def _stale(seen: Seen, policy: Policy, now: float) -> Cause | None:
    facts = seen.facts
    if isinstance(facts, Withdrawal) or (
        isinstance(facts, Answer) and not facts.accepted
    ):
        return None
    return Cause.STALE if facts.expires <= now else None


def _size(seen: Seen, policy: Policy, now: float) -> Cause | None:
    too_large = isinstance(seen.facts, Offer) and seen.facts.size > policy.largest
    return Cause.SIZE if too_large else None


def _type(seen: Seen, policy: Policy, now: float) -> Cause | None:
    """Let in files of a type that is taken, and nothing that is no offer's part."""
    if isinstance(seen.facts, Offer) and policy.refuses(seen.facts.type):
        return Cause.TYPE
    attached = {leaf.media_type for leaf in seen.leaves if not leaf.is_picture}
    return Cause.TYPE if attached - _OF_AN_OFFER else None


def _thumbnail(seen: Seen, policy: Policy, now: float) -> Cause | None:
    """At most one, small, of the type that it says, and not large when decoded."""
    pictures = seen.pictures
    for picture in pictures:
        octets = picture.octets
        if octets is None or thumbnail.media_type(octets) != picture.media_type:
            return Cause.THUMBNAIL
        if len(pictures) > 1 or not thumbnail.is_one(octets):
            return Cause.THUMBNAIL
    return None


_OF_AN_OFFER = frozenset({"text/plain", "text/html", "application/vnd.maild+json"})
Rule = Callable[[Seen, Policy, float], Cause | None]
_RULES: Final[tuple[Rule, ...]] = (_large, _sender, _stale, _size, _type, _thumbnail)
