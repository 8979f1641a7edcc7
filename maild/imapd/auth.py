# SPDX-License-Identifier: Apache-2.0
"""The verbs of somebody nobody knows yet: STARTTLS, AUTHENTICATE, LOGIN."""

from __future__ import annotations

import base64
import binascii

from maild import delivery_log
from maild.imapd.capabilities import advertised
from maild.imapd.outcome import Done
from maild.imapd.session import Session, Verb
from maild.login import Exchange, LoginError
from maild.store.accounts import Account
from maild.wire.imap_cursor import BadError
from maild.wire.imap_read import Command
from maild.wire.imap_write import NoError, status_line

LONGEST_MESSAGE = 8192
"""Octets of one SASL message after decoding; SCRAM and PLAIN need far fewer."""
_REFUSED = NoError("wrong name or password", "AUTHENTICATIONFAILED")


async def starttls(session: Session, command: Command) -> Done:
    """STARTTLS (RFC 9051 §6.2.1): nothing said in clear counts afterwards."""
    command.cursor().end()
    context = session.house.identity.tls
    if session.connection.secure:
        raise BadError("TLS is on already")
    if context is None:
        raise NoError("there is no certificate")
    agreed = status_line(command.tag, "OK", "begin TLS")
    await session.connection.start_tls(context, agreed)
    return Done("", told=True)


async def login(session: Session, command: Command) -> Done:
    """LOGIN (RFC 9051 §6.2.3): only inside TLS, else its arguments are not read."""
    _demand_tls(session)
    cursor = command.cursor()
    user = cursor.astring()
    cursor.space()
    password = cursor.astring()
    cursor.end()
    shown = user.decode(errors="replace")
    try:
        account = await session.house.gate.check_password(
            user.decode(), password.decode(), session.connection.host
        )
    except (LoginError, UnicodeDecodeError):
        session.refused_login("LOGIN", shown)
        raise _REFUSED from None
    return _welcome(session, account, "LOGIN")


async def authenticate(session: Session, command: Command) -> Done:
    """AUTHENTICATE (RFC 9051 §6.2.2) with an initial response (RFC 4959)."""
    _demand_tls(session)
    cursor = command.cursor()
    mechanism = cursor.keyword()
    first: bytes | None = None
    if not cursor.at_end:
        cursor.space()
        first = b"" if cursor.rest == b"=" else _decoded(cursor.rest)
    try:
        exchange = session.house.gate.begin(mechanism, session.connection.host)
    except LoginError:
        raise NoError("that mechanism is not known here", "CANNOT") from None
    try:
        account = await _converse(session, exchange, first)
    except LoginError:
        session.refused_login(mechanism, exchange.user)
        raise _REFUSED from None
    return _welcome(session, account, mechanism)


async def _converse(
    session: Session, exchange: Exchange[Account], octets: bytes | None
) -> Account:
    """Exchange SASL messages until the client is proven."""
    if octets is None:
        octets = await _asked(session, b"")
    challenge = await exchange.answer(octets)
    while challenge.account is None:
        octets = await _asked(session, challenge.octets)
        challenge = await exchange.answer(octets)
    if challenge.octets and await _asked(session, challenge.octets):
        raise BadError("nothing was left to say")
    return challenge.account


async def _asked(session: Session, octets: bytes) -> bytes:
    """Send a SASL challenge and return the response; ``*`` gives up."""
    await session.send(b"+ " + base64.b64encode(octets) + b"\r\n")
    line = await session.next_line()
    if line == b"*":
        raise BadError("given up, as you wish")
    return _decoded(line)


def _decoded(line: bytes) -> bytes:
    try:
        octets = base64.b64decode(line, validate=True)
    except binascii.Error:
        raise BadError("that is not base64") from None
    if len(octets) > LONGEST_MESSAGE:
        raise BadError("that is too long")
    return octets


def _demand_tls(session: Session) -> None:
    if not session.connection.secure:
        raise NoError("begin TLS first", "PRIVACYREQUIRED")


def _welcome(session: Session, account: Account, mechanism: str) -> Done:
    client = f"unknown[{session.connection.host}]"
    delivery_log.logged_in("imapd", client, mechanism, str(account.address))
    session.account = account
    session.connection.reader.known = True
    return Done("welcome", f"CAPABILITY {advertised(session)}")


VERBS: dict[str, Verb] = {
    "STARTTLS": starttls,
    "LOGIN": login,
    "AUTHENTICATE": authenticate,
}
