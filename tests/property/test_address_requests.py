# SPDX-License-Identifier: Apache-2.0
"""Address requests and responses: any octets are a whole one or an `OfferError`."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maild.mail.address import Address
from maild.mail.address_request import (
    AddressRequest,
    AddressResponse,
    parse_request,
    parse_response,
    request_message,
    response_message,
)
from maild.mail.letter import Facts
from maild.mail.offer import OfferError, parse_facts
from maild.wire.mime import MessageReader

NUMBERS = st.builds(
    Address, st.from_regex(r"\+[1-9][0-9]{6,14}", fullmatch=True), st.just("r.example")
)
HOMES = st.builds(
    Address, st.from_regex(r"[a-zé+]{1,10}", fullmatch=True), st.just("a.example")
)
ID = st.from_regex(r"[A-Za-z0-9_-]{8,64}", fullmatch=True)
TIME = st.integers(0, 2**37)
REQUESTS = st.builds(
    AddressRequest,
    id=ID,
    nonce=ID,
    sender=NUMBERS,
    recipient=NUMBERS,
    home=st.none() | HOMES,
    created=TIME,
    expires=TIME,
    trace=ID,
)
RESPONSES = st.builds(
    AddressResponse,
    request_id=ID,
    nonce=ID,
    sender=NUMBERS,
    recipient=NUMBERS,
    accepted=st.just(True),
    home=HOMES,
    trace=ID,
) | st.builds(
    AddressResponse,
    request_id=ID,
    nonce=ID,
    sender=NUMBERS,
    recipient=NUMBERS,
    accepted=st.just(False),
    home=st.none(),
    trace=ID,
)
FACTS = Facts("id@r.example", 1_700_000_000.0, "0123456789abcdef")


def facts_in(octets: bytes) -> bytes:
    """Return the facts part of a message, as a server finds it."""
    reader = MessageReader(binary=True)
    reader.feed(memoryview(octets))
    reader.finish()
    assert reader.facts is not None
    return reader.facts


@given(REQUESTS)
def test_a_request_is_read_as_it_was_written(request: AddressRequest) -> None:
    assert parse_request(request.to_json().encode()) == request
    message = request_message(request, FACTS).octets
    assert parse_request(facts_in(message)) == request
    assert len(message) < 64 * 1024
    assert request.sender.local.encode() in message


@given(RESPONSES)
def test_a_response_is_read_as_it_was_written(response: AddressResponse) -> None:
    assert parse_response(response.to_json().encode()) == response
    message = response_message(response, FACTS).octets
    assert parse_response(facts_in(message)) == response
    assert len(message) < 64 * 1024


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_any_octets_are_refused_or_read(octets: bytes) -> None:
    for parse in (parse_request, parse_response):
        with pytest.raises(OfferError):
            parse(octets)


@given(
    REQUESTS,
    st.sampled_from(["id", "nonce", "sender", "recipient", "created", "expires"]),
    st.none() | st.integers(max_value=-1) | st.just("") | st.lists(st.none()),
)
def test_a_member_that_is_not_what_it_should_be(
    request: AddressRequest, name: str, value: object
) -> None:
    said = json.loads(request.to_json())
    said[name] = value
    with pytest.raises(OfferError, match=name):
        parse_request(json.dumps(said).encode())


@given(REQUESTS, RESPONSES)
def test_one_kind_is_never_taken_for_another(
    request: AddressRequest, response: AddressResponse
) -> None:
    with pytest.raises(OfferError):
        parse_response(request.to_json().encode())
    with pytest.raises(OfferError):
        parse_request(response.to_json().encode())
    for said in (request, response):
        with pytest.raises(OfferError):
            parse_facts(said.to_json().encode())
