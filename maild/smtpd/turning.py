# SPDX-License-Identifier: Apache-2.0
"""The verbs that give a connection away: AUTH as an offer, ATRN, XCONNECT.

Offered only where the ends of offers meet.  Once a connection is joined to another,
nothing of what it carries is read or answered here.
"""

from __future__ import annotations

import asyncio

from maild.mail.reply import Reply, ReplyError
from maild.mail.turn import End
from maild.smtpd import auth, replies
from maild.smtpd.connection import Connection
from maild.smtpd.listener import Turns
from maild.store import transfers
from maild.turn.gate import Party
from maild.turn.splice import Half
from maild.wire import smtp_turn
from maild.wire.smtp_reply import format_reply

DESTINATION_WAITS = 120.0
"""Seconds that ATRN waits for somebody; then 453 shows that the way is still open, and
the client asks again.  RFC 2645 §5.2.1: clients are patient for ten minutes."""
SOURCE_WAITS = 10.0
"""Seconds that XCONNECT waits for a destination that may just be calling again."""


class Turning(Connection):
    """A connection that may be joined to another one."""

    party: Party | None = None
    """Who has logged in, where no account is meant."""

    def turning_keywords(self) -> list[str]:
        """Return what EHLO says of it."""
        turns = self.listener.turns
        if turns is None:
            return []
        login = f"AUTH {' '.join(turns.gate.mechanisms())}"
        return ["ATRN", "XCONNECT", *([login] if self.party is None else [])]

    async def log_in_as_offer(self, argument: str) -> None:
        """AUTH (RFC 4954); SCRAM gives nothing away, with TLS or without."""
        turns = self._turns()
        self.need_no_transaction()
        if self.party is not None:
            raise ReplyError(replies.LOGGED_IN_ALREADY)
        self.must_be_last()
        self.party = await auth.log_in_as_offer(
            turns.gate, argument, self.ip, self.listener.station, self.ask
        )
        self.say(replies.LOGGED_IN)

    async def ask(self, challenge: Reply) -> bytes:
        """Write a 334 and return the client's line."""
        self.say_lines(format_reply(challenge).replace(b"334\r", b"334 \r"))
        await self.settle()
        return await self.stream.line()

    async def smtp_ATRN(self, argument: str) -> None:  # noqa: N802
        """Make the client the server of who comes for it (RFC 2645 §5.2.1)."""
        self._turns()
        domains = smtp_turn.parse_atrn(argument)
        party = await self._party(End.DESTINATION)
        if domains and set(domains) != {party.domain}:
            raise ReplyError(replies.NOT_THAT_DOMAIN)
        if _is_for_us(party) and self.tls:
            raise ReplyError(replies.NOT_IN_TLS)  # what is turned begins its own
        await self._meet(party, DESTINATION_WAITS, replies.NOBODY_CAME)

    async def smtp_XCONNECT(self, argument: str) -> None:  # noqa: N802
        """Join the client to the server that it asks for."""
        self._turns()
        domain = smtp_turn.parse_xconnect(argument)
        party = await self._party(End.SOURCE)
        if domain != party.domain:
            raise ReplyError(replies.NOT_THAT_DOMAIN)
        if _is_for_us(party):
            raise ReplyError(replies.NOT_THAT_END)
        await self._meet(party, SOURCE_WAITS, replies.NOT_HERE)

    def _turns(self) -> Turns:
        if self.listener.turns is None:
            raise ReplyError(replies.NOT_OFFERED)
        return self.listener.turns

    async def _party(self, end: End) -> Party:
        """Return who has logged in, as that end, with what is known now."""
        self.need_no_transaction()
        if self.party is None:
            raise ReplyError(replies.LOGIN_FIRST)
        if self.party.end is not end:
            raise ReplyError(replies.NOT_THAT_END)
        party = await self._turns().gate.again(self.party)
        if party is None:
            raise ReplyError(replies.OFFER_IS_OVER)
        return party

    async def _meet(self, party: Party, patience: float, nobody: Reply) -> None:
        """Wait for the other end, then stay until both have parted."""
        await self.settle()
        self.must_be_last()  # nothing between here and there lets the loop read more
        transport = self.transport
        if not isinstance(transport, asyncio.Transport) or transport.is_closing():
            raise ConnectionResetError
        half = Half(transport, self.client)
        half.take_over()
        try:
            if await self._has_met(party, half, patience):
                if half.splice is not None:
                    await half.splice.done
                return
        except ReplyError:
            transport.set_protocol(self)
            raise
        finally:
            if half.is_taken:
                self._is_handed_over = self._leaving = True
            half.leave()
        transport.set_protocol(self)
        self.say(nobody)

    async def _has_met(self, party: Party, half: Half, patience: float) -> bool:
        """Wait for the other end: another server, or our own delivery."""
        turns, store = self._turns(), self.listener.store
        if not _is_for_us(party):
            return await turns.meeting.join(party, half, patience) is not None
        found = party.appointment

        async def tell() -> None:
            now = store.clock()
            if found is None:
                await store.index.write(transfers.hasten_one, party.domain, now)
            else:
                await store.index.write(transfers.hasten, found.brought_by, now)

        name = f"@{party.domain}" if found is None else found.brought_by
        return await turns.callers.wait(name, half, patience, tell)

    # What a session adds

    def need_no_transaction(self) -> None:
        """Raise unless the peer has said hello and is between two transactions."""


def _is_for_us(party: Party) -> bool:
    """Whether it is our own delivery that the client wants to meet."""
    return party.appointment is None or party.appointment.is_ours
