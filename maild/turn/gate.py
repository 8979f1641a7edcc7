# SPDX-License-Identifier: Apache-2.0
"""Who may meet here: one end of an offer, proven by SCRAM (RFC 5802) and nothing else.

The password is 256 bits that follow from a secret of the offer (`maild.mail.turn`), so
that what is said in clear gives nothing to guess with; it opens no account.  A server
that the operator knows may call for whatever there is, by the secret of both.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from maild.backoff import BackOff, Delays
from maild.login import LoginError, make_keys
from maild.mail.address import Address
from maild.mail.turn import Claim, End, claim, parse_claim, password
from maild.sasl_exchange import Exchange
from maild.store.accounts import ScramKeys
from maild.store.appointments import Appointment
from maild.wire import sasl

ITERATIONS = 4096
"""Rounds of PBKDF2 (RFC 7677 §4): the least allowed, as nobody can guess 256 bits."""
CHOSEN_ITERATIONS = 15_000
"""Rounds for a secret that people have chosen: who listens may guess at it."""
SALT = 16
"""Octets of a salt; a fresh one each time, as nothing that is derived is kept."""
DERIVATIONS = 2
"""Key derivations at once; others wait their turn."""

Known = Callable[[str], Awaitable[Sequence[Appointment]]]
"""Returns the appointments of an offer id."""


@dataclass(frozen=True, slots=True)
class Party:
    """Who has logged in: one end of one offer, or a server that our operator knows."""

    domain: str
    """Whose server may turn, or be asked for."""
    end: End
    appointment: Appointment | None
    """None for a server that calls for whatever there is."""


class OfferGate:
    """Lets the ends of offers in; made once per process."""

    binding: bytes | None = None
    """Nothing to bind to: it is the inner TLS that keeps the content."""

    def __init__(
        self,
        known: Known,
        clock: Callable[[], float],
        delays: Delays | None = None,
        *,
        peers: Mapping[str, str] | None = None,
    ) -> None:
        self._known = known
        self._peers = {} if peers is None else peers
        """Secrets by domain, of servers that our operator knows."""
        self._clock = clock
        self._back_off = BackOff(Delays() if delays is None else delays)
        self._deriving = asyncio.Semaphore(DERIVATIONS)

    def mechanisms(self) -> tuple[str, ...]:
        """Names to advertise, with TLS or without."""
        return (sasl.SCRAM,)

    def begin(self, mechanism: str, source: str) -> Exchange[Party]:
        """Begin an exchange for a client at IP ``source``."""
        if mechanism.upper() not in self.mechanisms():
            raise LoginError("not a mechanism that is offered")
        return Exchange(self, mechanism.upper(), source)

    async def find(self, wanted: Claim) -> Party | None:
        """Return who claims to be that end, should there be such an offer now."""
        for found in await self._known(wanted.offer_id):
            theirs = claim(
                found.secret,
                found.offer_id,
                found.sender,
                found.recipient,
                wanted.end,
            )
            if hmac.compare_digest(str(theirs), str(wanted)):
                return Party(found.recipient.domain, wanted.end, found)
        return None

    async def again(self, party: Party) -> Party | None:
        """Return the same with what is known of it now; None when it is over."""
        found = party.appointment
        if found is None:
            return party
        for other in await self._known(found.offer_id):
            if other.key == found.key and other.secret == found.secret:
                return replace(party, appointment=other)
        return None

    # -- what an exchange asks for (`maild.sasl_exchange.Keyring`) ------------------

    def address(self, user: str) -> Address | None:
        """Return None: no end of an offer acts for anybody."""
        return None

    async def keys(self, user: str) -> tuple[Party | None, ScramKeys]:
        """Return who that is, and keys; for an unknown one, keys nobody can fit."""
        wanted = parse_claim(user)
        party: Party | None = None
        word, rounds = secrets.token_hex(32), ITERATIONS
        if wanted is not None:
            party = await self.find(wanted)
        elif user in self._peers:
            party = Party(user, End.DESTINATION, None)
            word, rounds = self._peers[user], CHOSEN_ITERATIONS
        if party is not None and party.appointment is not None:
            found = party.appointment
            word = password(
                found.secret, found.offer_id, found.sender, found.recipient, party.end
            )
        async with self._deriving:
            keys = await asyncio.to_thread(
                make_keys, word, secrets.token_bytes(SALT), rounds
            )
        return party, keys

    async def check_password(self, user: str, password: str, source: str) -> Party:
        """Refuse: PLAIN is not offered."""
        raise LoginError("not a mechanism that is offered")

    async def wait(self, user: str, source: str) -> None:
        """Wait as long as earlier failures demand; `LoginError` if that is too long."""
        seconds = self._back_off.reserve(source, user[:320], self._clock())
        if seconds is None:
            raise LoginError("too many attempts")
        if seconds:
            await asyncio.sleep(seconds)

    def failed(self, user: str, source: str) -> None:
        """Count a failure."""
        self._back_off.failed(source, user[:320], self._clock())

    def succeeded(self, user: str, source: str) -> None:
        """Note a success."""
        self._back_off.succeeded(source, user[:320])
