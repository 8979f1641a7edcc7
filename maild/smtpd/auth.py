# SPDX-License-Identifier: Apache-2.0
"""AUTH as SMTP writes it (RFC 4954), in front of `maild.login`."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Awaitable, Callable

from maild import delivery_log
from maild.login import Gate, LoginError
from maild.mail.reply import Reply, ReplyError
from maild.smtpd import replies
from maild.store.accounts import Account

Ask = Callable[[Reply], Awaitable[bytes]]
"""Writes a 334 and returns the client's line."""


async def log_in(gate: Gate, argument: str, ip: str, station: str, ask: Ask) -> Account:
    """Run one exchange for ``AUTH <mechanism> [initial-response]``."""
    mechanism, _, initial = argument.strip().partition(" ")
    mechanism = mechanism.upper()
    if mechanism not in gate.mechanisms():
        raise ReplyError(replies.BAD_MECHANISM)
    exchange = gate.begin(mechanism, ip)
    try:
        octets = _initial(initial) if initial else await _asked(ask, b"")
        while True:
            challenge = await exchange.answer(octets)
            if challenge.account is not None and not challenge.octets:
                user = str(challenge.account.address)
                delivery_log.logged_in(station, f"unknown[{ip}]", mechanism, user)
                return challenge.account
            octets = await _asked(ask, challenge.octets)
    except LoginError as error:
        delivery_log.login_failed(station, f"unknown[{ip}]", mechanism, exchange.user)
        raise ReplyError(replies.BAD_LOGIN) from error


def _initial(text: str) -> bytes:
    """Decode an initial response; ``=`` is an empty one (RFC 4954 §4)."""
    return b"" if text == "=" else _decoded(text.encode())


async def _asked(ask: Ask, octets: bytes) -> bytes:
    line = await ask(Reply(334, "", base64.b64encode(octets).decode()))
    answer = line.rstrip(b"\r\n")
    if answer == b"*":
        raise ReplyError(replies.LOGIN_CANCELLED)
    return _decoded(answer)


def _decoded(text: bytes) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ReplyError(replies.BAD_BASE64) from error
