# SPDX-License-Identifier: GPL-3.0-only
"""Errors: what is refused where ends in which exit status."""

from __future__ import annotations

import os
import socket
import ssl
from pathlib import Path

import pytest

from maild.mail.address import parse_address
from maild.mail.reply import Reply
from terminal_client.errors import NoRoomError, from_connect, from_refusal, from_reply
from terminal_client.profile import Place, Profile


@pytest.mark.parametrize(
    ("reply", "status"),
    [
        (Reply(535, "7.8", "authentication failed"), os.EX_NOPERM),
        (Reply(451, "3.0", "later"), os.EX_TEMPFAIL),
        (Reply(452, "3.1", "no room"), os.EX_TEMPFAIL),
        (Reply(452, "2.2", "over quota"), os.EX_TEMPFAIL),
        (Reply(552, "2.2", "never fits"), os.EX_UNAVAILABLE),
        (Reply(503, "5.1", "order"), os.EX_PROTOCOL),
        (Reply(550, "1.1", "no such user"), os.EX_DATAERR),
        (Reply(550, "7.1", "not there"), os.EX_NOPERM),
        (Reply(552, "3.4", "too large"), os.EX_UNAVAILABLE),
    ],
)
def test_smtp(reply: Reply, status: int) -> None:
    error = from_reply(reply, "upload")
    assert error.status == status
    assert str(reply) in str(error)


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("[AUTHENTICATIONFAILED] no", os.EX_NOPERM),
        ("[NONEXISTENT] no such mailbox", os.EX_NOINPUT),
        ("[CANNOT] not out of Library", os.EX_NOPERM),
        ("[INUSE] still arriving", os.EX_TEMPFAIL),
        ("[OVERQUOTA] full", os.EX_UNAVAILABLE),
        ("just no", os.EX_UNAVAILABLE),
    ],
)
def test_imap(text: str, status: int) -> None:
    assert from_refusal("NO", text, "look").status == status


def test_what_to_do_when_the_account_is_full() -> None:
    assert "make room" in str(from_reply(Reply(452, "2.2", "no"), "upload"))
    never = str(from_reply(Reply(552, "2.2", "larger than all"), "upload"))
    assert "delete" not in never
    assert "larger quota" in never
    assert "make room" in str(from_refusal("NO", "[OVERQUOTA] no", "accept"))


def test_no_room_is_told_from_other_troubles() -> None:
    for reply in (Reply(452, "2.2", "quota"), Reply(452, "3.1", "device")):
        assert isinstance(from_reply(reply, "upload"), NoRoomError)
    for reply in (Reply(451, "3.0", "later"), Reply(552, "2.2", "never fits")):
        assert not isinstance(from_reply(reply, "upload"), NoRoomError)


def test_imap_bad() -> None:
    assert from_refusal("BAD", "what?", "look").status == os.EX_PROTOCOL


def test_connecting() -> None:
    refused = ConnectionRefusedError(111, "Connection refused")
    told = from_connect(refused, "the IMAP server", "a:993")
    assert told.status == os.EX_UNAVAILABLE
    assert "connection refused" in str(told)
    late = from_connect(TimeoutError(), "the IMAP server", "a:993")
    assert late.status == os.EX_TEMPFAIL
    untrusted = ssl.SSLCertVerificationError(1, "no")
    assert "--ca FILE" in str(from_connect(untrusted, "the IMAP server", "a:993"))


def test_a_port_without_tls_and_a_host_that_is_not() -> None:
    plain = ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number")
    assert "does not speak TLS" in str(from_connect(plain, "it", "a:143"))
    unknown = socket.gaierror(-2, "Name or service not known")
    assert "no such host" in str(from_connect(unknown, "it", "a:993"))


def test_a_number_is_logged_in_by_its_own_verb() -> None:
    place = Place("r.example", 1)
    for address, login in (
        ("alice@a.example", "`mshare login"),
        ("+14155550101@rcs.example", "`mshare number login"),
    ):
        who = Profile(Path(), parse_address(address), place, place)
        bad = Reply(535, "7.8", "no")
        assert login in str(from_reply(bad, "log in", who.login))
        no = "[AUTHENTICATIONFAILED] no"
        assert login in str(from_refusal("NO", no, "log in", who.login))
        untrusted = ssl.SSLCertVerificationError()
        assert login in str(from_connect(untrusted, "x", "y", who.login))
