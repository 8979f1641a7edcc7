# SPDX-License-Identifier: Apache-2.0
"""The rules by which offers are judged: each refusal has its cause and its code."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import pytest
from PIL import Image

from maild.mail import codes, monitor
from maild.mail.address import parse_address
from maild.mail.monitor import Cause, Leaf, Policy, Seen
from maild.mail.offer import Answer, Withdrawal
from tests.store.room import ALICE, BOB, NONCE, START, TICKET, TRACE, an_offer

NOW = START
POLICY = Policy(10**6, ("application/x-dosexec", "audio/*"))
MALLORY = parse_address("mallory@m.example")
OFFER = an_offer(home="a.example")
ANSWER = Answer(
    "offer-0001", NONCE, ALICE, BOB, True, TICKET, 1000, int(START) + 900, TRACE
)
WITHDRAWAL = Withdrawal("offer-0001", NONCE, ALICE, BOB, TRACE)
TEXT = (
    Leaf("text/plain"),
    Leaf("text/html"),
    Leaf("application/vnd.maild+json"),
)


def picture(kind: str = "JPEG", side: int = 64) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (side, side)).save(out, kind)
    return out.getvalue()


GOOD = Leaf("image/jpeg", picture())
WIDE = Leaf("image/png", picture("PNG", 1025))
SEEN = Seen(9000, OFFER, ALICE, BOB, (*TEXT, GOOD))
ANSWERED = Seen(2000, ANSWER, BOB, ALICE, TEXT)


def test_what_is_right_passes() -> None:
    png = Leaf("image/png", picture("PNG"))
    for seen in (
        SEEN,
        replace(SEEN, leaves=TEXT),
        replace(SEEN, leaves=(*TEXT, png)),
        ANSWERED,
        replace(
            ANSWERED, facts=replace(ANSWER, accepted=False, ticket=None, expires=0)
        ),
        Seen(2000, WITHDRAWAL, ALICE, BOB, TEXT),
    ):
        assert monitor.judge(seen, POLICY, NOW) is None


@pytest.mark.parametrize(
    ("seen", "cause"),
    [
        (replace(SEEN, octets=64 * 1024 + 1), Cause.LARGE),
        (replace(SEEN, sender=MALLORY), Cause.SENDER),
        (replace(SEEN, sender=None), Cause.SENDER),
        (replace(SEEN, recipient=MALLORY), Cause.SENDER),
        (replace(SEEN, facts=replace(OFFER, home="m.example")), Cause.SENDER),
        (replace(ANSWERED, sender=ALICE), Cause.SENDER),
        (Seen(2000, WITHDRAWAL, BOB, ALICE, TEXT), Cause.SENDER),
        (replace(SEEN, facts=replace(OFFER, expires=int(NOW))), Cause.STALE),
        (replace(ANSWERED, facts=replace(ANSWER, expires=int(NOW))), Cause.STALE),
        (replace(SEEN, facts=replace(OFFER, size=10**6 + 1)), Cause.SIZE),
        (replace(SEEN, facts=replace(OFFER, type="audio/ogg")), Cause.TYPE),
        (replace(SEEN, leaves=(*TEXT, Leaf("application/zip"))), Cause.TYPE),
        (replace(SEEN, leaves=(*TEXT, GOOD, GOOD)), Cause.THUMBNAIL),
        (replace(SEEN, leaves=(Leaf("image/png", GOOD.octets),)), Cause.THUMBNAIL),
        (replace(SEEN, leaves=(Leaf("image/svg+xml", b"<svg>"),)), Cause.THUMBNAIL),
        (replace(SEEN, leaves=(Leaf("image/jpeg", None),)), Cause.THUMBNAIL),
        (replace(SEEN, leaves=(WIDE,)), Cause.THUMBNAIL),
    ],
)  # fmt: skip
def test_what_is_wrong_has_a_cause(seen: Seen, cause: Cause) -> None:
    assert monitor.judge(seen, POLICY, NOW) is cause


def test_each_cause_has_a_code_of_its_own_that_is_explained() -> None:
    statuses = [reply.status for reply in monitor.REPLIES.values()]
    assert set(monitor.REPLIES) == set(Cause)
    assert len(set(statuses)) == len(statuses)
    assert set(statuses) <= codes.MEANINGS.keys()


def test_types_are_refused_by_name_or_kind() -> None:
    assert POLICY.refuses("application/x-dosexec")
    assert POLICY.refuses("audio/mpeg")
    assert not POLICY.refuses("application/zip")
    assert Policy(1, ("*/*",)).refuses("text/plain")
    assert not Policy(1).refuses("text/plain")


@pytest.mark.parametrize(
    ("octets", "cause"),
    [
        (b"{", Cause.SCHEMA),
        (b"[]", Cause.SCHEMA),
        (b"{}", Cause.SCHEMA),
        (b"[" * 10_000, Cause.SCHEMA),
        (OFFER.to_json().encode()[:-9], Cause.SCHEMA),
        (OFFER.to_json().replace(": 1,", ": 2,").encode(), Cause.SCHEMA),
        (json.dumps({"maild": 1, "kind": "offer"}).encode(), Cause.SCHEMA),
        (json.dumps({"maild": 1, "kind": "poem"}).encode(), None),
    ],
)
def test_facts_that_cannot_be_read(octets: bytes, cause: Cause | None) -> None:
    assert monitor.read(octets) == cause


def test_facts_that_can() -> None:
    for facts in (OFFER, ANSWER, WITHDRAWAL):
        assert monitor.read(facts.to_json().encode()) == facts
