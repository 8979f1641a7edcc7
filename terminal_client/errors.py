# SPDX-License-Identifier: GPL-3.0-only
"""What can go wrong at a terminal: one sentence for people, one status for scripts.

Statuses are those of sysexits(3).  The sentence says what happened and what to do.
"""

from __future__ import annotations

import os
import re
import socket
import ssl

from maild.mail.reply import Reply

MAKE_ROOM = (
    "delete items (`mshare rm`), or mail in a mail program, to make room, or ask the "
    "server's operator for a larger quota"
)
"""What to do when the account holds too much."""
NEVER_FITS = (
    "no room that is made will do: ask the server's operator for a larger quota"
)
"""What to do when one thing is larger than the account may hold."""
LOGIN = "mshare login"
"""The verb that says anew who one is; a number at a rendezvous has its own."""


class TerminalError(Exception):
    """The command cannot be carried out; ``str()`` is one sentence for people."""

    status = os.EX_SOFTWARE
    """The exit status of `mshare` (sysexits(3))."""


class UsageError(TerminalError):
    """The command line does not make sense."""

    status = os.EX_USAGE


class ContentError(TerminalError):
    """A file or an address is not what it should be (digest, size, grammar)."""

    status = os.EX_DATAERR


class NoInputError(TerminalError):
    """Something that was named is not there: a file, an item, an offer."""

    status = os.EX_NOINPUT


class UnavailableError(TerminalError):
    """The server cannot be reached, or refused for good."""

    status = os.EX_UNAVAILABLE


class CannotCreateError(TerminalError):
    """A file cannot be written where it was asked for."""

    status = os.EX_CANTCREAT


class LocalInputOutputError(TerminalError):
    """Reading or writing a local file failed."""

    status = os.EX_IOERR


class UnreadError(LocalInputOutputError):
    """Nobody reads our output any more: no reason to complain."""


class TryLaterError(TerminalError):
    """It did not work now and may work later."""

    status = os.EX_TEMPFAIL


class NoRoomError(TryLaterError):
    """The server has no room for it now: on its device, or in the account."""


class CutError(TryLaterError):
    """The connection ended, or the server went silent: another one may go on."""


class StalledError(CutError):
    """What is wanted has not arrived at the server yet, and does not arrive now."""


class GoneError(UnavailableError):
    """What was being read is not on the server any more."""


class ReplacedError(UnavailableError):
    """Somebody else was faster: what was to be replaced is another one by now."""


class UnreachableError(UnavailableError):
    """No connection to the server comes about."""


class RestartError(TerminalError):
    """What was begun earlier cannot be gone on with: it must begin anew."""


class ProtocolError(TerminalError):
    """The server said something that no server should say."""

    status = os.EX_PROTOCOL


class NotAllowedError(TerminalError):
    """The server knows who asks and says no."""

    status = os.EX_NOPERM


class CannotError(NotAllowedError):
    """It can never be done (RFC 5530 §3, CANNOT)."""

    def __init__(self, sentence: str, said: str) -> None:
        super().__init__(sentence)
        self.said = said
        """Why not, in the server's words."""


class SetUpError(TerminalError):
    """The profile is missing or cannot be used."""

    status = os.EX_CONFIG


class StoppedError(TerminalError):
    """A person pressed Ctrl-C."""

    status = 130  # as shells say it: 128 + SIGINT


def from_reply(reply: Reply, doing: str, login: str = LOGIN) -> TerminalError:
    """Return the error for a refusal by SMTP; ``doing`` completes "could not ..."."""
    sentence = f"could not {doing}: the server said {reply}"
    if reply.code == 535:
        return NotAllowedError(f"{sentence}; check address and password with `{login}`")
    if reply.code == 421:  # the server is closing (RFC 5321 §3.8)
        return CutError(f"{sentence}; try again")
    if reply.detail == "2.2":  # RFC 3463 §3.3: mailbox full
        if reply.is_temporary:
            return NoRoomError(f"{sentence}; {MAKE_ROOM}")
        return UnavailableError(f"{sentence}; {NEVER_FITS}")
    if reply.is_temporary and reply.detail == "3.1":  # RFC 3463 §3.4: system full
        return NoRoomError(f"{sentence}; try again later")
    if reply.is_temporary:
        return TryLaterError(f"{sentence}; try again later")
    if reply.code in {500, 501, 502, 503, 504}:
        return ProtocolError(sentence)
    match reply.detail.split(".")[0]:
        case "1" | "6":
            return ContentError(sentence)
        case "7":
            return NotAllowedError(sentence)
        case _:
            return UnavailableError(sentence)


def from_refusal(
    result: str, text: str, doing: str, login: str = LOGIN
) -> TerminalError:
    """Return the error for a tagged NO or BAD of IMAP (RFC 9051 §7.1)."""
    found = re.match(r"\[([A-Z-]+)[^\]]*\] ?(.*)", text)
    code, said = (found[1], found[2]) if found else ("", text)
    sentence = f"could not {doing}: the server said {said.rstrip('.') or result}"
    match code:
        case "AUTHENTICATIONFAILED" | "AUTHORIZATIONFAILED":
            return NotAllowedError(
                f"{sentence}; check address and password with `{login}`"
            )
        case "NONEXISTENT" | "TRYCREATE":
            return NoInputError(sentence)
        case "CANNOT":
            return CannotError(sentence, said.rstrip("."))
        case "NOPERM" | "PRIVACYREQUIRED" | "EXPIRED":
            return NotAllowedError(sentence)
        case "OVERQUOTA":
            return UnavailableError(f"{sentence}; {MAKE_ROOM}")
        case "LIMIT" | "TOOBIG":
            return UnavailableError(sentence)
        case "EXPUNGEISSUED":
            return GoneError(sentence)
        case "INUSE":
            return StalledError(f"{sentence}; try again later")
        case "UNAVAILABLE" | "SERVERBUG" | "CONTACTADMIN":
            return TryLaterError(f"{sentence}; try again later")
        case _:
            return (ProtocolError if result == "BAD" else UnavailableError)(sentence)


def from_connect(
    error: BaseException, what: str, place: str, login: str = LOGIN
) -> TerminalError:
    """Return the error for a server (``what`` at ``place``) that was not reached."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLCertVerificationError):
        cause = cause.__cause__ or cause.__context__
    if cause is not None:
        return UnavailableError(
            f"the certificate of {what} at {place} is not trusted "
            f"({_certificate_reason(cause)}); if the server has its own authority, "
            f"log in again with `{login} --ca FILE`"
        )
    if isinstance(error, TimeoutError):
        return CutError(f"{what} at {place} did not answer in time; try again later")
    return UnreachableError(
        f"{what} at {place} cannot be reached ({_reason(error)}); "
        "check the network and the profile"
    )


def _certificate_reason(error: BaseException) -> str:
    return str(getattr(error, "verify_message", "") or "verification failed").rstrip(
        "."
    )


def _reason(error: BaseException) -> str:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return "it does not speak TLS there"
        if isinstance(cause, socket.gaierror):
            return "no such host is known"
        if isinstance(cause, OSError) and cause.errno and cause.errno > 0:
            return os.strerror(cause.errno).lower()
        cause = cause.__cause__
    return (str(error) or type(error).__name__).rstrip(".")
