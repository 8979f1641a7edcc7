# SPDX-License-Identifier: Apache-2.0
"""One SMTP reply: the value that becomes a reply line, a log line or a bounce."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Reply:
    """One SMTP reply (RFC 5321 §4.2).

    ``detail`` is the enhanced status code without its class ("3.4"): RFC 2034 §4 makes
    that digit equal to the first digit of ``code``, so it is derived and the two can
    never disagree.  "" means "no enhanced code" (greetings, 354, 355).
    """

    code: int
    detail: str
    text: str

    @property
    def is_positive(self) -> bool:
        """Whether the command did what was asked, or may go on (2yz, 3yz)."""
        return self.code < 400

    @property
    def is_temporary(self) -> bool:
        """Whether the peer may try the same thing again later (4yz)."""
        return self.code // 100 == 4

    @property
    def is_permanent(self) -> bool:
        """Whether trying again is useless (5yz)."""
        return self.code // 100 == 5

    @property
    def status(self) -> str:
        """The full enhanced status code ("5.3.4"), or "" when there is none."""
        return f"{self.code // 100}.{self.detail}" if self.detail else ""

    def with_text(self, text: str) -> Reply:
        """Return the same codes with another text."""
        return replace(self, text=text)

    def __str__(self) -> str:
        return " ".join(filter(None, (str(self.code), self.status, self.text)))


class ReplyError(Exception):
    """A command cannot be carried out; ``reply`` is what the peer is told.

    Raise it from any depth below a command.  The text is for strangers: no path, no
    configuration value, no exception text.  The cause goes to the log with
    ``raise ReplyError(...) from error``.
    """

    def __init__(self, reply: Reply, *, hang_up: bool = False) -> None:
        super().__init__(str(reply))
        self.reply = reply
        self.hang_up = hang_up
        """Set when the connection cannot be kept in step, so it must end."""


LOCAL_ERROR = Reply(451, "3.0", "an error on our side; try again later")
"""The answer to an error that nobody foresaw: temporary, because nothing is known."""
