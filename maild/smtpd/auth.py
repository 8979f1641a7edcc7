# SPDX-License-Identifier: Apache-2.0
"""AUTH as SMTP writes it (RFC 4954), in front of `maild.login`."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Awaitable, Callable
from typing import TypeVar

from maild import delivery_log
from maild.login import Gate, LoginError
from maild.mail.reply import Reply, ReplyError
from maild.sasl_exchange import Exchange
from maild.smtpd import replies
from maild.store.accounts import Account
from maild.turn.gate import OfferGate, Party

W = TypeVar("W")
Ask = Callable[[Reply], Awaitable[bytes]]
"""Writes a 334 and returns the client's line."""


async def log_in(gate: Gate, argument: str, ip: str, station: str, ask: Ask) -> Account:
    """Run one exchange for ``AUTH <mechanism> [initial-response]``."""
    mechanism, initial = _mechanism(argument, gate.mechanisms())
    exchange = gate.begin(mechanism, ip)
    account = await _proven(exchange, initial, ip, station, ask)
    user = str(account.address)
    delivery_log.logged_in(station, f"unknown[{ip}]", mechanism, user)
    return account


async def log_in_as_offer(
    gate: OfferGate, argument: str, ip: str, station: str, ask: Ask
) -> Party:
    """Run one exchange for an end of an offer."""
    mechanism, initial = _mechanism(argument, gate.mechanisms())
    exchange = gate.begin(mechanism, ip)
    party = await _proven(exchange, initial, ip, station, ask)
    delivery_log.logged_in(station, f"unknown[{ip}]", mechanism, exchange.user)
    return party


def _mechanism(argument: str, offered: tuple[str, ...]) -> tuple[str, str]:
    mechanism, _, initial = argument.strip().partition(" ")
    if mechanism.upper() not in offered:
        raise ReplyError(replies.BAD_MECHANISM)
    return mechanism.upper(), initial


async def _proven(
    exchange: Exchange[W], initial: str, ip: str, station: str, ask: Ask
) -> W:
    try:
        octets = _initial(initial) if initial else await _asked(ask, b"")
        while True:
            challenge = await exchange.answer(octets)
            if challenge.account is not None and not challenge.octets:
                return challenge.account
            octets = await _asked(ask, challenge.octets)
    except LoginError as error:
        delivery_log.login_failed(
            station, f"unknown[{ip}]", exchange.mechanism, exchange.user
        )
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
