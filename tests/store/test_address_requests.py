# SPDX-License-Identifier: Apache-2.0
"""Address requests: filed once, decided once, answered, bounded, forgotten."""

from __future__ import annotations

import pytest

from maild.mail.address import Address, parse_address
from maild.store import (
    accounts,
    address_requests,
    exchanges,
    messages,
    metadata,
    numbers,
    trace,
)
from maild.store.accounts import Account
from maild.store.address_requests import HomelessError
from maild.store.address_verdict import REFUSAL_HOLDS, Outcome
from maild.store.errors import OverQuotaError
from tests.store.askers import (
    HOMES,
    ONE,
    THREE,
    TWO,
    Ask,
    answers,
    contents,
    decide,
    facts,
    say,
)
from tests.store.room import START, Room


def test_a_number_has_no_library(room: Room, people: dict[Address, Account]) -> None:
    names = [
        name
        for (name,) in room.read(
            lambda tx: tx.all(
                "SELECT name FROM mailbox WHERE account_id = ?1", people[ONE].id
            )
        )
    ]
    assert not accounts.OF_CONTENT.intersection(names)
    assert people[ONE].quota == accounts.QUOTA_OF_NUMBER


def test_the_rendezvous_adds_the_home_it_knows(
    room: Room, people: dict[Address, Account], ask: Ask
) -> None:
    assert ask().outcome is Outcome.FILED
    (line,) = room.lines(people[TWO].id, "INBOX")
    assert "$AddressRequest" in line.flags
    told = facts(room, line.content_id)
    assert told["home"] == "alice@a.example"
    assert told["expires"] == int(START) + 1000
    assert room.is_sound()


def test_the_first_decision_wins_and_both_know_each_other(
    room: Room, people: dict[Address, Account], ask: Ask
) -> None:
    ask()
    assert not room.read(exchanges.known, HOMES[ONE], HOMES[TWO])
    assert decide(room, people[TWO], accepted=True) == 1
    assert decide(room, people[TWO], accepted=False) == 0
    (answer,) = answers(room, people[ONE])
    assert (answer["request"], answer["nonce"]) == ("request-1", "ab" * 16)
    assert (answer["accepted"], answer["home"]) == (True, "bob@b.example")
    assert room.read(exchanges.known, HOMES[ONE], HOMES[TWO])
    assert room.read(exchanges.known, HOMES[TWO], HOMES[ONE])
    assert not room.read(exchanges.known, HOMES[ONE], HOMES[THREE])
    entry = "/private/vendor/maild/exchange/+14155550101"
    found = room.read(exchanges.entries, people[TWO].id, entry, below=False)
    assert found == {entry: b"alice@a.example"}
    all_ = room.read(exchanges.entries, people[ONE].id, "/private", below=True)
    assert list(all_.values()) == [b"bob@b.example"]
    assert room.read(exchanges.entries, people[THREE].id, entry, below=True) == {}
    texts = [event.text for event in room.read(trace.story, "request-1")]
    assert texts == [
        "address of +14155550102 asked for",
        "address of +14155550102 told",
    ]
    assert room.is_sound()


def test_sending_back_is_answered_without_asking(
    room: Room, people: dict[Address, Account], ask: Ask
) -> None:
    ask()
    decide(room, people[TWO], accepted=True)
    before = contents(room, people[ONE])
    assert ask(TWO, ONE, "request-2").outcome is Outcome.DECIDED
    assert contents(room, people[ONE]) == before
    assert answers(room, people[TWO])[-1]["home"] == "alice@a.example"
    # Whoever has another address since is asked whether that may be told, too.
    say(room, people[ONE].id, numbers.HOME, "alice@c.example")
    assert ask(TWO, ONE, "request-3").outcome is Outcome.FILED
    decide(room, people[ONE], accepted=True)
    assert room.read(exchanges.known, HOMES[TWO], parse_address("alice@c.example"))
    assert not room.read(exchanges.known, HOMES[TWO], HOMES[ONE])


def test_a_decline_is_told_and_holds_for_a_day(
    room: Room, people: dict[Address, Account], ask: Ask
) -> None:
    ask()
    assert decide(room, people[TWO], accepted=False) == 1
    (answer,) = answers(room, people[ONE])
    assert (answer["accepted"], answer["home"]) == (False, None)
    inbox = contents(room, people[TWO])
    assert ask(name="request-2").outcome is Outcome.DECIDED
    assert contents(room, people[TWO]) == inbox
    assert len(answers(room, people[ONE])) == 2
    room.now += REFUSAL_HOLDS - 1
    assert ask(name="request-3", expires=int(room.now) + 5).outcome is Outcome.DECIDED
    room.now += 1  # what was declined unasked begins no other day
    assert ask(name="request-4", expires=int(room.now) + 5).outcome is Outcome.FILED


def test_the_same_again_changes_nothing(
    room: Room, people: dict[Address, Account], ask: Ask
) -> None:
    ask()
    assert ask().outcome is Outcome.REPEATED
    assert len(contents(room, people[TWO])) == 1
    assert ask(nonce="cd" * 16).outcome is Outcome.FORGED
    assert ask(to=THREE).outcome is Outcome.FORGED
    assert contents(room, people[THREE]) == []
    assert ask(THREE, TWO).outcome is Outcome.FILED  # ids are each number's own
    decide(room, people[TWO], accepted=True)  # three's
    assert answers(room, people[ONE]) == []
    assert ask(THREE, TWO).outcome is Outcome.REPEATED
    assert len(answers(room, people[THREE])) == 1  # it lies there: nothing is lost
    assert room.is_sound()


def test_two_requests_of_one_number_are_decided_together(
    room: Room, people: dict[Address, Account], ask: Ask
) -> None:
    ask()
    room.now += 900
    assert ask(name="request-2").outcome is Outcome.FILED
    assert len(contents(room, people[TWO])) == 1
    room.now += 900
    assert room.write(address_requests.expire, room.now) == 0  # it waits with the 2nd
    assert decide(room, people[TWO], accepted=True) == 2
    assert [answer["request"] for answer in answers(room, people[ONE])] == [
        "request-1",
        "request-2",
    ]


def test_what_was_deleted_is_asked_anew(
    room: Room, people: dict[Address, Account], ask: Ask
) -> None:
    ask()
    inbox = room.mailbox(people[TWO].id, "INBOX")
    room.write(messages.expunge, inbox, [1])
    assert ask(name="request-2").outcome is Outcome.FILED
    assert len(contents(room, people[TWO])) == 1
    trash = room.mailbox(people[TWO].id, "Trash")
    room.write(messages.copy, inbox, [2], trash, move=True)
    assert ask(name="request-3").outcome is Outcome.FILED  # it can be seen there
    assert contents(room, people[TWO]) == []
    room.write(messages.copy, trash, [1], inbox, move=True)
    assert decide(room, people[TWO], accepted=True) == 3
    assert room.is_sound()


def test_policies(room: Room, people: dict[Address, Account], ask: Ask) -> None:
    say(room, people[TWO].id, numbers.POLICY, "contacts")
    assert ask().outcome is Outcome.FILED
    say(room, people[THREE].id, numbers.POLICY, "everyone")
    assert ask(TWO, THREE, "request-2").outcome is Outcome.DECIDED
    (line,) = room.lines(people[THREE].id, "Accepted")
    assert set(line.flags) == {"$AddressRequest", "\\Seen"}
    assert contents(room, people[THREE]) == []
    say(room, people[TWO].id, numbers.HOME, "bob@c.example")
    # Two has asked three: three is a contact now, and is told the new address, too.
    assert ask(THREE, TWO, "request-3").outcome is Outcome.DECIDED
    assert answers(room, people[THREE])[-1]["home"] == "bob@c.example"


def test_without_a_home_nothing_is_asked_or_told(
    room: Room, people: dict[Address, Account], ask: Ask
) -> None:
    room.write(metadata.put, people[TWO].id, "", numbers.HOME, None)
    assert ask(TWO, ONE).outcome is Outcome.HOMELESS
    say(room, people[TWO].id, numbers.POLICY, "everyone")
    assert ask().outcome is Outcome.FILED
    with pytest.raises(HomelessError):
        decide(room, people[TWO], accepted=True)
    assert decide(room, people[TWO], accepted=False) == 1


def test_bounds(room: Room, people: dict[Address, Account], ask: Ask) -> None:
    for name in ("request-1", "request-2", "request-3"):
        assert ask(name=name).outcome is Outcome.FILED
    assert ask(name="request-4").outcome is Outcome.TOO_MANY  # open ones made
    assert ask(THREE, TWO).outcome is Outcome.TOO_MANY  # and got
    room.now += 1000
    assert room.read(address_requests.is_one_due, room.now)
    assert room.write(address_requests.expire, room.now) == 3
    assert decide(room, people[TWO], accepted=True) == 0  # too late
    (line,) = room.lines(people[TWO].id, "INBOX")
    assert line.flags == ("$Expired",)
    nobody = parse_address("+14155550109@rcs.example")
    assert ask(to=nobody, name="request-5").outcome is Outcome.UNKNOWN
    assert ask(to=nobody, name="request-5").outcome is Outcome.UNKNOWN  # counted once
    assert ask(to=nobody, name="request-6").outcome is Outcome.UNKNOWN
    assert ask(to=nobody, name="request-7").outcome is Outcome.TOO_MANY  # in an hour
    room.now += 3600
    assert ask(to=nobody, name="request-7").outcome is Outcome.UNKNOWN
    assert room.write(address_requests.forget, room.now) == 5
    assert room.is_sound()


def test_a_full_mailbox_takes_no_request(
    room: Room, people: dict[Address, Account], ask: Ask
) -> None:
    room.write(
        lambda tx: tx.run("UPDATE account SET quota = 10 WHERE id = ?1", people[TWO].id)
    )
    with pytest.raises(OverQuotaError):
        ask()
    assert contents(room, people[TWO]) == []
    assert not room.value("SELECT count(*) FROM address_request")


def test_what_a_number_leaves_goes_with_it(
    room: Room, people: dict[Address, Account], ask: Ask
) -> None:
    ask(ONE, TWO, "request-1")
    decide(room, people[TWO], accepted=True)
    ask(THREE, TWO, "request-2")
    ask(TWO, THREE, "request-3")
    room.write(address_requests.forget_account, people[TWO])
    room.write(accounts.remove, people[TWO].id)
    assert not room.value("SELECT count(*) FROM address_request")
    assert not room.read(exchanges.known, HOMES[ONE], HOMES[TWO])
    assert room.is_sound()


@pytest.mark.parametrize(
    ("entry", "value", "why"),
    [
        (numbers.HOME, b"alice@a.example", None),
        (numbers.HOME, b"alice@[192.0.2.1]", "that is no mail address of a person"),
        (numbers.HOME, b'"a b"@a.example', "that is no mail address of a person"),
        (numbers.HOME, b"alice", "that is no mail address"),
        (numbers.HOME, b"a@a.example\r\nX: y", "that is no mail address"),
        (numbers.HOME, b"\xff@a.example", "that is no mail address"),
        (numbers.HOME, b"x@rcs.example", "that is a number, not a mail address"),
        (
            numbers.HOME,
            b"+14155550101@other.example",
            "that is a number, not a mail address",
        ),
        (numbers.POLICY, b"contacts", None),
        (numbers.POLICY, b"nobody", "a policy is one of ask, contacts, everyone"),
        (numbers.RENDEZVOUS, b"+14155550101@rcs.example", None),
        (numbers.RENDEZVOUS, b"rcs.example", "that is no mail address"),
        (numbers.RENDEZVOUS, b"bob@rcs.example", "that is not a number"),
    ],
)
def test_what_may_be_said(entry: str, value: bytes, why: str | None) -> None:
    assert numbers.complaint(entry, value, frozenset({"rcs.example"})) == why
    of_number = entry != numbers.RENDEZVOUS
    assert numbers.is_own_word(entry, of_number=of_number)
    assert not numbers.is_own_word(entry, of_number=not of_number)


def test_who_claims_another_home_takes_nothing_from_it(room: Room) -> None:
    """A home is a number's word; what the real one has exchanged stays."""
    honest, other = (exchanges.Person(each, HOMES[each]) for each in (ONE, TWO))
    room.write(exchanges.made, honest, other, 1.0)
    liar = exchanges.Person(THREE, HOMES[ONE])
    room.write(exchanges.made, liar, other, 1.0)
    room.write(exchanges.forget, THREE)
    assert room.read(exchanges.known, HOMES[ONE], HOMES[TWO])
