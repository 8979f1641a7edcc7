# SPDX-License-Identifier: Apache-2.0
"""Receives the content of a transaction: whole chunks, or DATA up to its end.

Whatever is wrong with the content, exactly its octets are taken from the connection,
or the connection ends: no octet of it is ever seen as a command.
"""

from __future__ import annotations

from functools import partial

from maild.mail.reply import Reply, ReplyError
from maild.smtpd import replies
from maild.smtpd.at_hand import AtHand
from maild.smtpd.intake import SHORT, Intake
from maild.smtpd.listener import Listener
from maild.smtpd.replies import TOO_LARGE
from maild.smtpd.thread import in_thread
from maild.smtpd.trace_fields import trace_fields
from maild.smtpd.transaction import DROPPED, DROPPED_TICKETED, Transaction
from maild.smtpd.wanted import unwanted
from maild.wire.smtp import Bdat
from maild.wire.smtp_data import DataReader

BLOCK = 256 * 1024
"""Octets of DATA gathered before they are parsed and written."""


class _Drain:
    """Where refused octets go."""

    offset = 0

    def take(self, octets: memoryview) -> None:
        """Forget them."""


class Reception:
    """Moves content from ``stream`` into a transaction's intake.

    ``origin`` says how the peer came, for the Received field.
    """

    def __init__(self, listener: Listener, stream: AtHand, origin: str) -> None:
        self._listener = listener
        self._stream = stream
        self._origin = origin

    async def chunk(self, transaction: Transaction | None, chunk: Bdat) -> None:
        """Receive one chunk, or take it away and raise why it is refused.

        The error hangs up when there is too much to take away.
        """
        refusal = _refusal(transaction, chunk)
        if refusal is None and transaction is not None:
            refusal = await unwanted(self._listener.store, transaction)
        if refusal is not None:
            if transaction is not None and refusal is TOO_LARGE:
                # It will never fit: what was shown of it goes.
                await self._listener.checkpoints.give_up(transaction)
            await self._take_away(transaction, chunk.size, refusal)
            raise ReplyError(refusal)
        assert transaction is not None
        transaction.begun = True
        transaction.received += chunk.size
        if transaction.is_repeated:
            await self._stream.move(chunk.size, _Drain())
            return
        intake = self._intake(transaction)
        if chunk.size <= SHORT and intake.is_short:
            await self._take(intake, await self._stream.whole(chunk.size))
        else:
            await self._stream.move(chunk.size, intake)
        if intake.failure is not None:
            transaction.failed = True
            await self._listener.checkpoints.drop(transaction)
            raise ReplyError(intake.failure)

    async def data(self, transaction: Transaction) -> None:
        """Receive up to the lone dot; raises once it has come, if anything is wrong.

        The error hangs up when the end does not come in time.
        """
        reader = DataReader()
        intake = self._intake(transaction)
        patience = self._stream.patience()
        rest: bytes | None = None
        gathered = bytearray()
        while rest is None:
            content, rest = reader.feed(await self._stream.piece(BLOCK, patience))
            transaction.received += len(content)
            if intake.failure is None:
                gathered += content
            if transaction.received > transaction.limit:
                self._fail(transaction, replies.TOO_LARGE)
            if transaction.received > transaction.limit + DROPPED_TICKETED:
                raise ReplyError(replies.TOO_LARGE, hang_up=True)
            if len(gathered) >= BLOCK or (rest is not None and gathered):
                await self._take(intake, bytes(gathered))
                gathered.clear()
        self._stream.put_back(rest)
        if not reader.is_clean:
            self._fail(transaction, replies.BARE_LINE_END)
        if intake.failure is not None:
            raise ReplyError(intake.failure)

    async def _take(self, intake: Intake, octets: bytes) -> None:
        """Give octets to the intake; few of them here, unless there is a blob."""
        threads = self._listener.threads
        if len(octets) > SHORT or not intake.is_short:
            await in_thread(threads, intake.take, memoryview(octets))
        elif intake.read(memoryview(octets)):
            await in_thread(threads, intake.carry_out)

    def _intake(self, transaction: Transaction) -> Intake:
        if transaction.intake is None:
            ticket = transaction.ticket
            transaction.intake = Intake(
                self._listener.store.blobs,
                binary=transaction.is_binary,
                head=trace_fields(self._listener, transaction, self._origin),
                part_limit=None if ticket is None else ticket.accepted.size,
                journal=None
                if transaction.bound is None
                else partial(self._listener.checkpoints.journal, transaction),
            )
        return transaction.intake

    def _fail(self, transaction: Transaction, reply: Reply) -> None:
        transaction.failed = True
        if transaction.intake is not None and transaction.intake.failure is None:
            transaction.intake.failure = reply
            self._listener.threads.submit(transaction.intake.abandon)

    async def _take_away(
        self, transaction: Transaction | None, size: int, refusal: Reply
    ) -> None:
        """Read and drop a refused chunk; one that is too large ends the connection."""
        may_drop = DROPPED
        if transaction is not None:
            self._fail(transaction, refusal)
            may_drop = transaction.may_drop
            transaction.dropped += size
        if size > may_drop:
            raise ReplyError(refusal, hang_up=True)
        await self._stream.move(size, _Drain())


def _refusal(transaction: Transaction | None, chunk: Bdat) -> Reply | None:
    if transaction is None or not transaction.recipients:
        return replies.RCPT_FIRST
    if transaction.failed:
        return replies.AFTER_FAILURE
    if transaction.received + chunk.size > transaction.limit:
        return transaction.too_large
    return None
