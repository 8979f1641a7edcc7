# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from maild.imapd.selected import Selected
from maild.store.mailboxes import Mailbox
from maild.store.messages import Line
from maild.wire.imap_cursor import BadError, Cursor

MAILBOX = Mailbox(1, 1, "INBOX", 1, 10, 5, "", subscribed=True)


def line(uid: int, *flags: str, mod_seq: int = 1, size: int = 10) -> Line:
    return Line(uid, flags, mod_seq, uid, 0.0, size)


def selected(*uids: int) -> Selected:
    view = Selected(MAILBOX, read_only=False, largest=100)
    view.take(([line(uid) for uid in uids], [], 1), expunges=True)
    return view


def uids(view: Selected, text: str, *, uid: bool) -> list[int]:
    return view.uids_of(Cursor(text.encode()).sequence_set(), uid=uid)


def test_numbers_and_uids() -> None:
    view = selected(2, 5, 9)
    assert uids(view, "1,3", uid=False) == [2, 9]
    assert uids(view, "*", uid=False) == [9]
    assert uids(view, "3:100", uid=True) == [5, 9]
    assert uids(view, "100:*", uid=True) == [9]
    assert view.number(5) == 2
    assert view.number(6) is None
    with pytest.raises(BadError):
        uids(view, "4", uid=False)
    with pytest.raises(BadError):
        uids(selected(), "*", uid=False)
    assert uids(selected(), "1:*", uid=True) == []


def test_the_saved_result_loses_what_is_gone() -> None:
    view = selected(2, 5)
    view.saved = (2, 3)
    assert uids(view, "$", uid=True) == [2]


def test_news_in_order() -> None:
    view = selected(2, 5, 9)
    changed = [line(5, "\\Seen", mod_seq=2), line(11, mod_seq=3)]
    news = view.take((changed, [2, 9, 10], 3), expunges=True)
    assert news.expunged == [3, 1]
    assert news.count == 2
    assert [(number, found.uid) for number, found in news.changed] == [(1, 5)]
    assert view.mod_seq == 3
    assert not view.take(([], [], 3), expunges=True)


def test_numbers_hold_while_they_must() -> None:
    view = selected(2, 5)
    assert not view.take(([], [2], 2), expunges=False)
    assert view.number(5) == 2
    assert view.take(([], [], 2), expunges=True).expunged == [1]
    assert view.number(5) == 1


def test_own_changes_are_not_told_again() -> None:
    view = selected(2)
    view.put([line(2, "\\Seen", mod_seq=2), line(3)])
    assert not view.take(([line(2, "\\Seen", mod_seq=2)], [], 2), expunges=True)
    assert view.unseen is None
    assert len(view.lines) == 1


def test_what_is_too_large_for_the_client_is_not_there() -> None:
    view = selected(2)
    assert not view.take(([line(3, size=101)], [], 2), expunges=True)
    assert view.uids == [2]
