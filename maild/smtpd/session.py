# SPDX-License-Identifier: Apache-2.0
"""The verbs of SMTP: each decides and answers; grammar, octets and meaning are below.

Verbs: EHLO HELO AUTH MAIL RCPT DATA BDAT BURL RSET NOOP VRFY EXPN HELP QUIT.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Coroutine
from typing import Any

from maild.mail.reply import LOCAL_ERROR, Reply, ReplyError
from maild.smtpd import auth, burl, landing, replies, showing
from maild.smtpd.admission import Admission
from maild.smtpd.receive import Reception
from maild.smtpd.transaction import Transaction
from maild.smtpd.turning import Turning
from maild.store.accounts import Account
from maild.wire import smtp
from maild.wire.smtp_reply import ehlo_reply, restart_at

_log = logging.getLogger(__name__)

_HOST = re.compile(r"[A-Za-z0-9._:\[\]-]{1,255}")
"""What a client may call itself in our Received field."""
COMMANDS = "EHLO MAIL RCPT BDAT DATA RSET NOOP QUIT STARTTLS VRFY"


class Session(Turning):
    """What the commands of one connection mean."""

    helo = ""
    is_extended = False
    account: Account | None = None
    transaction: Transaction | None = None

    # Greeting, login, small talk

    async def smtp_EHLO(self, argument: str) -> None:  # noqa: N802
        """Say what we can (RFC 5321 §4.1.1.1); also ends a transaction."""
        self._hello(argument)
        self.is_extended = True
        self.say_lines(ehlo_reply(self.hostname, self._keywords()))

    async def smtp_HELO(self, argument: str) -> None:  # noqa: N802
        """Greet without extensions."""
        self._hello(argument)
        self.is_extended = False
        self.say(Reply(250, "", self.hostname))

    def _hello(self, argument: str) -> None:
        self.must_be_last()
        name = argument.strip()
        if not name or len(name) > 255 or " " in name:
            raise ReplyError(replies.BAD_ARGUMENT)
        self.drop_transaction()
        self.helo = name

    def _keywords(self) -> list[str]:
        listener = self.listener
        keywords = [
            f"SIZE {listener.size_limit}",
            "8BITMIME",
            "PIPELINING",
            "ENHANCEDSTATUSCODES",
            "SMTPUTF8",
            "CHUNKING",
            "BINARYMIME",
            "CHECKPOINT",
        ]
        if listener.identity.tls is not None and not self.tls:
            keywords.append("STARTTLS")
        if listener.is_submission and self.tls and self.account is None:
            keywords.append(f"AUTH {' '.join(listener.gate.mechanisms())}")
        keywords += self.turning_keywords()
        if self.account is not None and not listener.identity.is_number(
            self.account.address
        ):
            keywords.append(f"BURL imap://{listener.identity.hostname}")
        return keywords

    async def smtp_AUTH(self, argument: str) -> None:  # noqa: N802
        """Log in (RFC 4954); a credential is never asked for in clear."""
        if not self.listener.is_submission:
            await self.log_in_as_offer(argument)
            return
        if not self.tls:
            raise ReplyError(replies.TLS_FIRST)
        self.need_no_transaction()
        if self.account is not None:
            raise ReplyError(replies.LOGGED_IN_ALREADY)
        self.must_be_last()
        self.account = await auth.log_in(
            self.listener.gate, argument, self.ip, self.listener.station, self.ask
        )
        self.say(replies.LOGGED_IN)

    async def smtp_NOOP(self, argument: str) -> None:  # noqa: N802
        """Do nothing."""
        self.say(replies.OK)

    async def smtp_HELP(self, argument: str) -> None:  # noqa: N802
        """Name the commands."""
        self.say(Reply(214, "0.0", COMMANDS))

    async def smtp_VRFY(self, argument: str) -> None:  # noqa: N802
        """Tell nobody who lives here (RFC 5321 §7.3)."""
        self._need_hello()
        self.say(replies.NO_VERIFY)

    async def smtp_EXPN(self, argument: str) -> None:  # noqa: N802
        """Refuse."""
        raise ReplyError(replies.NOT_OFFERED)

    async def smtp_QUIT(self, argument: str) -> None:  # noqa: N802
        """Part, once every reply that is still to come has been given."""
        await self.settle()
        self.say(replies.GOODBYE)
        self._leaving = True

    # The envelope

    async def smtp_MAIL(self, argument: str) -> None:  # noqa: N802
        """Begin a transaction, or go on with one that was cut short (355)."""
        self._need_hello()
        if self.transaction is not None:
            raise ReplyError(replies.NESTED_MAIL)
        mail = smtp.parse_mail(argument)
        admission = Admission(self.listener, self.ip, self._from())
        transaction = admission.sender(mail, self.account)
        try:
            known = await admission.known_before(
                transaction, self.account, self.own_task, tls=self.tls
            )
        except BaseException:
            self._over(transaction)
            raise
        self.transaction = known or transaction
        self.say(restart_at(known.received) if known else replies.SENDER_OK)

    async def smtp_RCPT(self, argument: str) -> None:  # noqa: N802
        """Add a recipient."""
        transaction = self._open_transaction()
        if transaction.begun:
            raise ReplyError(replies.RCPT_TOO_LATE)
        rcpt = smtp.parse_rcpt(
            argument,
            home=min(self.listener.identity.domains),
            smtputf8=transaction.mail.smtputf8,
        )
        admission = Admission(self.listener, self.ip, self._from())
        await admission.recipient(transaction, rcpt, self.account, tls=self.tls)
        self.say(replies.RECIPIENT_OK)

    async def smtp_RSET(self, argument: str) -> None:  # noqa: N802
        """Forget the transaction (RFC 5321 §4.1.1.5), and what has arrived of it."""
        if argument:
            raise ReplyError(replies.NO_ARGUMENT)
        transaction = self._without_transaction()
        if transaction is not None:
            landing.abandon(self.listener, transaction)
            await self.listener.checkpoints.give_up(transaction)
            self._over(transaction)
        self.say(replies.OK)

    # The content

    async def smtp_BDAT(self, argument: str) -> None:  # noqa: N802
        """Receive one chunk (RFC 3030 §2).

        The octets that follow a BDAT are content whatever the answer will be, so they
        are always read; otherwise the peer's content would be taken for commands.
        """
        chunk = smtp.parse_bdat(argument)
        transaction = self.transaction
        try:
            await self._received(self._reception().chunk(transaction, chunk))
        except ReplyError:
            if chunk.last:
                self.drop_transaction()
            raise
        assert transaction is not None
        if chunk.last:
            self.transaction = None
        self._landed(transaction, last=chunk.last, octets=chunk.size)

    async def smtp_BURL(self, argument: str) -> None:  # noqa: N802
        """Put an item of one's own into the message without sending it (RFC 4468)."""
        wanted = smtp.parse_burl(argument)
        if self.account is None:
            raise ReplyError(replies.LOGIN_FIRST)
        transaction = self._with_recipients()
        try:
            await burl.name_item(self.listener, transaction, self.account, wanted.url)
        except ReplyError:
            transaction.failed = True
            if wanted.last:
                self.drop_transaction()
            raise
        if wanted.last:
            self.transaction = None
        self._landed(transaction, last=wanted.last, octets=0)

    async def smtp_DATA(self, argument: str) -> None:  # noqa: N802
        """Receive a message up to its lone dot (RFC 5321 §4.1.1.4)."""
        if argument:
            raise ReplyError(replies.NO_ARGUMENT)
        self.must_be_last()
        transaction = self._with_recipients()
        if transaction.begun:
            raise ReplyError(replies.DATA_AFTER_BDAT)
        if transaction.is_binary:
            raise ReplyError(replies.BINARY_NEEDS_BDAT)
        self.say(replies.SEND_CONTENT)
        await self.settle()
        try:
            await self._received(self._reception().data(transaction))
        except ReplyError:
            self.drop_transaction()
            await self.listener.checkpoints.drop(transaction)
            raise
        self.transaction = None
        self._landed(transaction, last=True, octets=0)

    def _reception(self) -> Reception:
        return Reception(self.listener, self.stream, self._from())

    async def _received(self, content: Coroutine[Any, Any, None]) -> None:
        """Wait for content; without it in step there is no connection any more."""
        try:
            await content
        except ReplyError as error:
            if not error.hang_up:
                raise
            self.say(error.reply)
            raise ReplyError(replies.TOO_MUCH_REFUSED, hang_up=True) from error
        except (EOFError, ConnectionError, TimeoutError):
            raise
        except Exception as error:
            _log.exception("receiving content from %s", self.client)
            raise ReplyError(LOCAL_ERROR, hang_up=True) from error

    def _landed(self, transaction: Transaction, *, last: bool, octets: int) -> None:
        """Answer a chunk at once, a message when it is on the device."""
        if not last:
            self.say(Reply(250, "0.0", f"{octets} octets"))
            showing.renew(transaction, self.listener.store, self.hostname)
            return
        self._errors = 0  # somebody who sends mail is not guessing
        self.say_later(
            self._land(transaction, self.account),
            about=transaction.names,
            octets=transaction.received,
        )

    async def _land(self, transaction: Transaction, account: Account | None) -> Reply:
        listener = self.listener
        try:
            return await landing.land(listener, transaction, account, self.client)
        finally:
            listener.promises.give_back(transaction)
            self._over(transaction)

    # State

    def who(self) -> tuple[str, str]:
        """Return sender and recipients of the transaction, for the log."""
        return self.transaction.names if self.transaction else ("", "")

    def forget_greeting(self) -> None:
        """Forget EHLO, login and transaction (RFC 3207 §4.2)."""
        self.drop_transaction()
        self.helo = ""
        self.account = None
        self.party = None

    async def leave_transaction(self) -> None:
        """Keep an interrupted push for its restart; forget anything else."""
        transaction = self._without_transaction()
        kept = self.listener.checkpoints
        if transaction is None or kept.lanes.keep(
            transaction, self.listener.store.clock()
        ):
            return
        landing.abandon(self.listener, transaction)
        if transaction.is_spoilt:
            await kept.drop(transaction)

    def drop_transaction(self) -> None:
        """Forget the transaction and what has arrived of it."""
        transaction = self._without_transaction()
        if transaction is not None:
            landing.abandon(self.listener, transaction)
            self._over(transaction)

    def _over(self, transaction: Transaction) -> None:
        """Let a retry of it cut nothing else that this connection brings."""
        if transaction.mail.transid is not None:
            self.listener.checkpoints.lanes.over(self.own_task, transaction.bound)

    def _without_transaction(self) -> Transaction | None:
        transaction, self.transaction = self.transaction, None
        if transaction is not None:
            self.listener.promises.give_back(transaction)
        return transaction

    def need_no_transaction(self) -> None:
        """Raise unless the peer has said hello and is between two transactions."""
        self._need_hello()
        if self.transaction is not None:
            raise ReplyError(replies.NOT_IN_TRANSACTION)

    def _need_hello(self) -> None:
        if not self.helo:
            raise ReplyError(replies.HELLO_FIRST)

    def _open_transaction(self) -> Transaction:
        if self.transaction is None:
            raise ReplyError(replies.MAIL_FIRST)
        return self.transaction

    def _with_recipients(self) -> Transaction:
        transaction = self.transaction
        if transaction is None or not transaction.recipients:
            raise ReplyError(replies.RCPT_FIRST)
        return transaction

    def _from(self) -> str:
        """Return how the peer came, for the Received field (RFC 3848)."""
        with_ = "ESMTP" if self.is_extended else "SMTP"
        if self.is_extended:
            with_ += ("S" if self.tls else "") + ("A" if self.account else "")
        helo = self.helo if _HOST.fullmatch(self.helo) else "unknown"
        return f"from {helo} ([{self.ip}]) by {self.hostname} with {with_}"
