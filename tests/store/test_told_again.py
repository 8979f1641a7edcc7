# SPDX-License-Identifier: Apache-2.0
"""Responses to address requests that are given again: as they were, and no others."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import apsw

from maild.mail.address import Address
from maild.store import accounts, address_requests, messages, numbers
from maild.store.accounts import Account
from maild.store.address_verdict import USUAL, Outcome
from tests.store.askers import ONE, TWO, Ask, answers, decide, request_of, say
from tests.store.room import START, Room


def lose(room: Room, account: Account) -> None:
    """Delete all that lies in INBOX."""
    uids = [line.uid for line in room.lines(account.id, "INBOX")]
    room.write(messages.expunge, room.mailbox(account.id, "INBOX"), uids)


def test_an_address_is_told_again_as_it_was_told(
    room: Room, people: dict[Address, Account], ask: Ask
) -> None:
    """Another one is told to nobody unasked."""
    ask()
    decide(room, people[TWO], accepted=True)
    say(room, people[TWO].id, numbers.HOME, "bob@c.example")
    (first,) = answers(room, people[ONE])
    assert first["home"] == "bob@b.example"
    for _ in range(2):
        lose(room, people[ONE])
        assert ask().outcome is Outcome.REPEATED
        assert answers(room, people[ONE]) == [first]
    assert ask(name="request-2").outcome is Outcome.FILED
    decide(room, people[TWO], accepted=False)
    lose(room, people[ONE])
    ask(name="request-2")
    (declined,) = answers(room, people[ONE])
    assert (declined["accepted"], declined["home"]) == (False, None)
    assert room.is_sound()


def test_repeats_do_not_fill_a_mailbox(
    room: Room, people: dict[Address, Account], ask: Ask
) -> None:
    ask()
    decide(room, people[TWO], accepted=True)
    inbox = room.mailbox(people[ONE].id, "INBOX")
    for _ in range(5):
        assert ask().outcome is Outcome.REPEATED
    assert len(answers(room, people[ONE])) == 1
    # Terminals pass over what is marked as deleted: it is as good as lost.
    room.write(messages.store_flags, inbox, [1], "+", ("\\Deleted",))
    for _ in range(5):
        ask()
    assert len(answers(room, people[ONE])) == 2


OLDER = """
INSERT INTO account (id, address, scram_salt, scram_iterations, scram_stored_key,
    scram_server_key, created)
VALUES (1, '+14155550101@rcs.example', x'', 1, x'', x'', 0),
    (2, '+14155550102@rcs.example', x'', 1, x'', x'', 0);
INSERT INTO mailbox (account_id, name, uid_validity) VALUES (1, 'INBOX', 1);
INSERT INTO metadata (account_id, mailbox, entry, value)
VALUES (2, '', '/private/vendor/maild/home', x'626f6240632e6578616d706c65');
INSERT INTO address_request (asking, id, asked, nonce, home, state, expires, trace,
    created, decided)
VALUES (1, 'request-1', 2, 'abababababababababababababababab', 'alice@a.example',
    'accepted', 9e9, '0123456789abcdef', 0, 0);
INSERT INTO exchange VALUES ('alice@a.example', 'bob@b.example',
    '+14155550101@rcs.example', '+14155550102@rcs.example', 0);
"""


def test_what_was_told_before_is_known(tmp_path: Path) -> None:
    """An index of the version before is migrated."""
    root = tmp_path / "store"
    root.mkdir()
    connection = apsw.Connection(str(root / "index.sqlite"))
    folder = resources.files("maild.store") / "schema"
    names = sorted(f.name for f in folder.iterdir() if f.name < "0016")
    for name in names:
        connection.execute((folder / name).read_text())
    connection.execute(OLDER)
    connection.pragma("user_version", len(names))
    connection.close()
    room = Room(root)
    one = room.read(accounts.get, 1)
    request = request_of(ONE, TWO, "request-1")
    asked = room.write(address_requests.ask, one, request, USUAL, START)
    assert asked.outcome is Outcome.REPEATED
    assert [told["home"] for told in answers(room, one)] == ["bob@b.example"]
    room.close()
