# SPDX-License-Identifier: Apache-2.0
"""Three numbers that ask each other for their addresses, and what they find."""

from __future__ import annotations

import json
from collections.abc import Callable

from maild.mail.address import Address, parse_address
from maild.mail.address_request import AddressRequest
from maild.store import address_requests, messages, metadata
from maild.store.accounts import Account
from maild.store.address_requests import Asked
from maild.store.address_verdict import Bounds
from maild.store.rope import Constant
from tests.store.room import START, Room

ONE = parse_address("+14155550101@rcs.example")
TWO = parse_address("+14155550102@rcs.example")
THREE = parse_address("+14155550103@rcs.example")
HOMES = {
    ONE: parse_address("alice@a.example"),
    TWO: parse_address("bob@b.example"),
    THREE: parse_address("carol@b.example"),
}
BOUNDS = Bounds(lifetime=1000.0, per_hour=5, open=3)
Ask = Callable[..., Asked]


def request_of(sender: Address, to: Address, name: str) -> AddressRequest:
    return AddressRequest(
        id=name,
        nonce="ab" * 16,
        sender=sender,
        recipient=to,
        home=parse_address("liar@b.example"),
        created=int(START),
        expires=int(START) + 10**6,
        trace="0123456789abcdef",
    )


def say(room: Room, account_id: int, entry: str, value: str) -> None:
    room.write(metadata.put, account_id, "", entry, value.encode())


def contents(room: Room, account: Account, mailbox: str = "INBOX") -> list[int]:
    return [line.content_id for line in room.lines(account.id, mailbox)]


def facts(room: Room, content_id: int) -> dict[str, object]:
    (piece,) = room.read(messages.content, content_id).rope.pieces
    assert isinstance(piece, Constant)
    start, end = piece.octets.index(b"{"), piece.octets.rindex(b"}") + 1
    found: dict[str, object] = json.loads(piece.octets[start:end])
    return found


def decide(room: Room, account: Account, *, accepted: bool) -> int:
    """Decide the newest request in INBOX; return how many have been answered."""
    content_id = contents(room, account)[-1]
    done = room.write(
        address_requests.decide, account.id, content_id, room.now, accepted=accepted
    )
    return len(done)


def answers(room: Room, account: Account) -> list[dict[str, object]]:
    found = [facts(room, content_id) for content_id in contents(room, account)]
    return [each for each in found if each["kind"] == "address-response"]
