# SPDX-License-Identifier: Apache-2.0
"""Offers and answers: any octets are a whole, sane one or an `OfferError`."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maild.mail.address import Address
from maild.mail.offer import (
    MAX_SIZE,
    Answer,
    Offer,
    OfferError,
    Withdrawal,
    parse_facts,
    proof,
)

ADDRESS = st.builds(
    Address, st.from_regex(r"[a-zé+]{1,10}", fullmatch=True), st.just("a.example")
)
ID = st.from_regex(r"[A-Za-z0-9_-]{8,64}", fullmatch=True)
HEX = st.text("0123456789abcdef", min_size=64, max_size=64)
SIZE = st.integers(0, MAX_SIZE)
ANY_TEXT = st.text(max_size=60)
OFFERS = st.builds(
    Offer,
    id=ID,
    nonce=ID,
    sender=ADDRESS,
    recipient=ADDRESS,
    name=st.text(max_size=300),
    type=st.sampled_from(["video/mp4", "application/octet-stream", "text/x-a+b.c"]),
    size=SIZE,
    sha256=st.none() | HEX,
    created=st.integers(0, 2**40),
    expires=st.integers(0, 2**40),
    home=st.just("a.example"),
    trace=ID,
    note=st.text(max_size=300),
    rendezvous=st.none() | st.just("rcs.example"),
)
ANSWERS = st.builds(
    Answer,
    offer_id=ID,
    nonce=ID,
    sender=ADDRESS,
    recipient=ADDRESS,
    accepted=st.just(True),
    ticket=st.text("0123456789abcdef", min_size=32, max_size=32),
    size=SIZE,
    expires=SIZE,
    trace=ID,
) | st.builds(
    Answer,
    offer_id=ID,
    nonce=ID,
    sender=ADDRESS,
    recipient=ADDRESS,
    accepted=st.just(False),
    ticket=st.none(),
    size=SIZE,
    expires=SIZE,
    trace=ID,
)


WITHDRAWALS = st.builds(
    Withdrawal, offer_id=ID, nonce=ID, sender=ADDRESS, recipient=ADDRESS, trace=ID
)


@given(OFFERS | ANSWERS | WITHDRAWALS)
def test_what_is_written_is_read(facts: Offer | Answer | Withdrawal) -> None:
    assert parse_facts(facts.to_json().encode()) == facts


@given(st.binary(max_size=200) | ANY_TEXT.map(str.encode))
def test_any_octets_are_refused_or_read(octets: bytes) -> None:
    with pytest.raises(OfferError):
        parse_facts(octets)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3)
    ),
    max_leaves=5,
)


@given(OFFERS | ANSWERS | WITHDRAWALS, st.data())
def test_any_member_replaced_is_read_or_refused(
    facts: Offer | Answer | Withdrawal, data: st.DataObject
) -> None:
    found = json.loads(facts.to_json())
    name = data.draw(st.sampled_from(sorted(found)))
    found[name] = data.draw(JSON)
    try:
        read = parse_facts(json.dumps(found).encode())
    except OfferError:
        return
    assert isinstance(read, type(facts) | Withdrawal)
    assert isinstance(read, Withdrawal) or 0 <= read.size <= MAX_SIZE


@given(OFFERS | ANSWERS | WITHDRAWALS, st.data())
def test_any_member_missing_is_read_or_refused(
    facts: Offer | Answer | Withdrawal, data: st.DataObject
) -> None:
    found = json.loads(facts.to_json())
    del found[data.draw(st.sampled_from(sorted(found)))]
    try:
        parse_facts(json.dumps(found).encode())
    except OfferError:
        return


@pytest.mark.parametrize(
    "octets",
    [
        b"[" * 16_000, b'{"maild":1,"kind":"offer"}', b'{"maild":2}', b"null", b'"x"',
        b" " * 16_385, b'{"maild":1,"kind":"digest"}', b'{"maild":1,"kind":["offer"]}',
        b"\xff\xfe", b'{"maild":1e999,"kind":"offer"}', b'{"maild":true,"kind":1}',
    ],
)  # fmt: skip
def test_refused(octets: bytes) -> None:
    with pytest.raises(OfferError):
        parse_facts(octets)


@given(ID, ADDRESS, ADDRESS)
def test_a_proof_belongs_to_its_offer_and_people(
    offer_id: str, sender: Address, recipient: Address
) -> None:
    made = proof("0" * 32, offer_id, sender, recipient)
    assert len(made) == 32
    assert made == proof("0" * 32, offer_id, sender, recipient)
    assert made != proof("1" * 32, offer_id, sender, recipient)
    assert made != proof("0" * 32, offer_id + "x", sender, recipient)
    if sender.key != recipient.key:
        assert made != proof("0" * 32, offer_id, recipient, sender)
