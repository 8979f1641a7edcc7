# SPDX-License-Identifier: Apache-2.0
"""One mail transaction: what has been agreed on, and how much may still come."""

from __future__ import annotations

from dataclasses import dataclass, field

from maild.mail.address import Address
from maild.mail.envelope import Body, MailFrom
from maild.mail.reply import Reply
from maild.smtpd import replies
from maild.smtpd.intake import Intake
from maild.store.accounts import Account
from maild.store.checkpoints import Envelope
from maild.store.consent import Accepted
from maild.store.items import Item

FRAMING = 64 * 1024
"""Octets that a push may have around its content: header, note, digest."""
DROPPED = 2**20
"""Octets that are read and dropped after a refusal, to keep the connection."""
DROPPED_TICKETED = 64 * 2**20
"""The same for a peer that has shown a ticket: one chunk of our own servers."""
LIBRARY_TAG = "library"
"""``alice+library@a.example``: an upload into one's own Library."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """An accepted offer that the transaction redeems."""

    proof: str
    accepted: Accepted

    @property
    def limit(self) -> int:
        """Most octets of the message that brings the content."""
        return self.accepted.size + FRAMING


@dataclass(frozen=True, slots=True)
class Recipient:
    """One accepted RCPT; ``account`` when the mail ends here."""

    address: Address
    account: Account | None


@dataclass(slots=True)
class Transaction:
    """From MAIL to the reply that takes responsibility, or to RSET.  Octets."""

    mail: MailFrom
    id: str
    """What the 250 and the log call it."""
    trace: str
    size_limit: int
    quota_limit: int | None = field(default=None, init=False)
    """Most octets that the account can take, if it has a quota."""
    promised: int = field(default=0, init=False)
    """Octets of room that it was promised."""
    recipients: list[Recipient] = field(default_factory=list)
    client: str = ""
    """IP address that it comes from."""
    is_own: bool = False
    """Whether one of our own accounts submits it."""
    is_upload: bool = False
    is_relayed: bool = False
    """Whether it is between two homes that this rendezvous has told to each other."""
    ticket: Ticket | None = None
    bound: Envelope | None = None
    """What it can be gone on with by, when it is cut short."""
    given: str | None = None
    """The 250 that an upload was given before."""
    intake: Intake | None = None
    is_borrowed: bool = False
    """Whether it goes on with what another recipient has been brought."""
    shared: Item | None = None
    """The item that a BURL has named."""
    begun: bool = False
    """Whether content has been sent by BDAT or BURL."""
    failed: bool = False
    received: int = 0
    dropped: int = 0
    stub_at: float | None = None
    """When the stub of a live upload last said how much there is."""
    looked_at: float | None = None
    """When it was last looked whether it is still wanted (seconds of the loop)."""

    @property
    def size(self) -> int:
        """Octets of the message, with the item that it names and does not bring."""
        return self.received + (self.shared.size if self.shared else 0)

    @property
    def taken(self) -> int:
        """Octets that are on the device, or about to be."""
        return 0 if self.intake is None else self.intake.taken

    @property
    def front(self) -> bytes:
        """The peer's octets in front of the blob, as long as they are in memory."""
        return b"" if self.intake is None else self.intake.front[self.intake.ours :]

    @property
    def is_spoilt(self) -> bool:
        """Whether something went wrong within a chunk that has not been answered."""
        return (
            not self.failed
            and self.intake is not None
            and self.intake.failure is not None
        )

    @property
    def is_binary(self) -> bool:
        """Whether the content may be raw octets (RFC 3030 §3)."""
        return self.mail.body is Body.BINARY

    @property
    def is_live(self) -> bool:
        """Whether it may be an upload of something that is still being recorded."""
        return self.is_upload and self.mail.size is None

    @property
    def is_repeated(self) -> bool:
        """Whether the content has arrived before: its 250 was lost on the way."""
        return self.final_reply is not None

    @property
    def final_reply(self) -> str | None:
        """The reply that was given when the content had arrived."""
        return self.given if self.ticket is None else self.ticket.accepted.final_reply

    @property
    def limit(self) -> int:
        """Most octets of the message."""
        most = self.size_limit if self.ticket is None else self.ticket.limit
        return most if self.quota_limit is None else min(most, self.quota_limit)

    @property
    def too_large(self) -> Reply:
        """Why a chunk that goes beyond ``limit`` is refused."""
        if self.limit == self.quota_limit:
            return replies.OVER_QUOTA
        if self.ticket or self.is_own or self.is_relayed:
            return replies.TOO_LARGE
        return replies.NEEDS_OFFER

    @property
    def may_drop(self) -> int:
        """Octets of refused content that may still be dropped."""
        most = DROPPED_TICKETED if self.ticket else DROPPED
        return most - self.dropped

    @property
    def names(self) -> tuple[str, str]:
        """Sender and recipients, for the log."""
        return self.sender, ",".join(str(r.address) for r in self.recipients)

    @property
    def sender(self) -> str:
        """The reverse-path, without angle brackets."""
        return str(self.mail.sender or "")
