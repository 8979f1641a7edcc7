# SPDX-License-Identifier: Apache-2.0
"""SMTP commands as they are written (RFC 5321 and its extensions), for both roles."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from maild.mail.address import Address, AddressError, parse_address
from maild.mail.envelope import Body, MailFrom, RcptTo
from maild.mail.reply import Reply, ReplyError

T = TypeVar("T")

MAX_OCTETS = 2**63 - 1
"""Largest size or chunk that is understood: what an index column and a file hold."""
MAX_TRANSID = 128
"""Octets of a transaction id with its domain (RFC 1845 §3: at most 80 are needed)."""

BAD_BDAT = Reply(501, "5.4", "Syntax: BDAT octets [LAST]")
BAD_BURL = Reply(501, "5.4", "Syntax: BURL url [LAST]")
BAD_MAIL = Reply(501, "5.4", "Syntax: MAIL FROM:<address> [parameters]")
BAD_RCPT = Reply(501, "5.4", "Syntax: RCPT TO:<address> [parameters]")
BAD_SENDER = Reply(501, "1.7", "the sender's address is malformed")
BAD_RECIPIENT = Reply(501, "1.3", "the recipient's address is malformed")
BAD_PARAMETER = Reply(501, "5.4", "a parameter is malformed")
UNKNOWN_PARAMETER = Reply(555, "5.4", "a parameter is not known here")
TOO_LARGE = Reply(552, "3.4", "the message is larger than is taken here")

_BDAT = re.compile(r"(?P<size>[0-9]{1,19})(?P<last> LAST)?", re.IGNORECASE)
_BURL = re.compile(r"(?P<url>[\x21-\x7e]+)(?P<last> LAST)?", re.IGNORECASE)
_SOURCE_ROUTE = re.compile(r"\A@[A-Za-z0-9.-]+(?:,@[A-Za-z0-9.-]+)*:")
_PATH = re.compile(r'<((?:"(?:[^"\\]|\\.)*"|[^<>"])*)>')
_KEYWORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*")
_VALUE = re.compile(r"[\x21-\x3c\x3e-\x7e\u0080-\U0010ffff]+")
_TRANSID = re.compile(r"<([A-Za-z0-9!#$%&'*+/?^_`{|}~.-]+@[A-Za-z0-9.-]+)>")
_XTEXT = re.compile(r"(?:[\x21-\x2a\x2c-\x3c\x3e-\x7e]|\+[0-9A-F]{2})*")
_NOTIFY = frozenset({"SUCCESS", "FAILURE", "DELAY"})


@dataclass(frozen=True, slots=True)
class Bdat:
    """``BDAT <size> [LAST]`` (RFC 3030 §2): exactly ``size`` octets follow."""

    size: int
    last: bool


@dataclass(frozen=True, slots=True)
class Burl:
    """``BURL <url> [LAST]`` (RFC 4468 §3.2)."""

    url: str
    last: bool


def parse_bdat(argument: str) -> Bdat:
    """Parse what follows ``BDAT`` and its one space.

    Malformed, it ends the connection: the octets that follow are content of unknown
    length, and each of its lines would be taken for a command.
    """
    found = _BDAT.fullmatch(argument)
    if found is None or int(found["size"]) > MAX_OCTETS:
        raise ReplyError(BAD_BDAT, hang_up=True)
    return Bdat(size=int(found["size"]), last=found["last"] is not None)


def parse_burl(argument: str) -> Burl:
    """Parse what follows ``BURL``; the URL is read by `maild.wire.imap_url`."""
    found = _BURL.fullmatch(argument)
    if found is None:
        raise ReplyError(BAD_BURL)
    return Burl(url=found["url"], last=found["last"] is not None)


def parse_mail(argument: str) -> MailFrom:
    """Parse what follows ``MAIL``: ``FROM:<address> [parameters]`` (RFC 5321 §4.1.1.2).

    An address of other than ASCII needs SMTPUTF8 (RFC 6531 §3.4).
    """
    path, given = _path_and_parameters(argument, "FROM:", BAD_MAIL)
    if given.keys() - {"SIZE", "BODY", "SMTPUTF8", "TRANSID", "RET", "ENVID", "AUTH"}:
        raise ReplyError(UNKNOWN_PARAMETER)
    smtputf8 = "SMTPUTF8" in given
    if given.get("SMTPUTF8"):
        raise ReplyError(BAD_PARAMETER)
    return MailFrom(
        sender=_address(path, BAD_SENDER, smtputf8=smtputf8) if path else None,
        size=_read(given, "SIZE", _size),
        body=_read(given, "BODY", _body) or Body.SEVEN_BIT,
        smtputf8=smtputf8,
        transid=_read(given, "TRANSID", _transid),
        ret=_read(given, "RET", _ret),
        envid=_read(given, "ENVID", from_xtext),
        auth=_read(given, "AUTH", from_xtext),
    )


def parse_rcpt(argument: str, *, home: str, smtputf8: bool) -> RcptTo:
    """Parse what follows ``RCPT``: ``TO:<address> [parameters]`` (RFC 5321 §4.1.1.3).

    ``home`` is the domain that a bare ``<Postmaster>`` belongs to (§4.5.1); a source
    route is ignored (§3.3).  ``smtputf8`` as the MAIL command declared it.
    """
    path, given = _path_and_parameters(argument, "TO:", BAD_RCPT)
    if given.keys() - {"NOTIFY", "ORCPT"}:
        raise ReplyError(UNKNOWN_PARAMETER)
    if path.casefold() == "postmaster":
        path = f"{path}@{home}"
    return RcptTo(
        recipient=_address(path, BAD_RECIPIENT, smtputf8=smtputf8),
        notify=_read(given, "NOTIFY", _notify),
        orcpt=_read(given, "ORCPT", _orcpt),
    )


RSET: Final = b"RSET\r\n"
"""Forget the transaction (RFC 5321 §4.1.1.5)."""


def mail_from(mail: MailFrom) -> bytes:
    """Return the MAIL command, ready to be written."""
    words = [f"MAIL FROM:<{mail.sender or ''}>"]
    if mail.size is not None:
        words.append(f"SIZE={mail.size}")
    if mail.body is not Body.SEVEN_BIT:
        words.append(f"BODY={mail.body}")
    if mail.smtputf8:
        words.append("SMTPUTF8")
    if mail.transid is not None:
        words.append(f"TRANSID=<{mail.transid}>")
    if mail.ret is not None:
        words.append(f"RET={mail.ret}")
    if mail.envid is not None:
        words.append(f"ENVID={to_xtext(mail.envid)}")
    if mail.auth is not None:
        words.append(f"AUTH={to_xtext(mail.auth)}")
    return _line(words)


def rcpt_to(rcpt: RcptTo) -> bytes:
    """Return the RCPT command, ready to be written."""
    words = [f"RCPT TO:<{rcpt.recipient}>"]
    if rcpt.notify is not None:
        words.append(f"NOTIFY={','.join(rcpt.notify)}")
    if rcpt.orcpt is not None:
        kind, _, address = rcpt.orcpt.partition(";")
        words.append(f"ORCPT={kind};{to_xtext(address)}")
    return _line(words)


def bdat(size: int, *, last: bool) -> bytes:
    """Return the BDAT command that ``size`` octets follow."""
    return _line([f"BDAT {size}", *(["LAST"] if last else [])])


def burl(url: str, *, last: bool) -> bytes:
    """Return the BURL command."""
    return _line([f"BURL {url}", *(["LAST"] if last else [])])


def to_xtext(text: str) -> str:
    """Return ``text`` as xtext (RFC 3461 §4); other than ASCII as its UTF-8 octets."""
    return "".join(
        chr(c) if 0x21 <= c <= 0x7E and c not in b"+=" else f"+{c:02X}"
        for c in text.encode()
    )


def from_xtext(text: str) -> str:
    """Read xtext; raise `ReplyError`.  Control characters are refused (CWE-93)."""
    if not _XTEXT.fullmatch(text):
        raise ReplyError(BAD_PARAMETER)
    octets = re.sub(
        rb"\+([0-9A-F]{2})", lambda m: bytes.fromhex(m[1].decode()), text.encode()
    )
    try:
        found = octets.decode()
    except UnicodeDecodeError as error:
        raise ReplyError(BAD_PARAMETER) from error
    if not found.isprintable():
        raise ReplyError(BAD_PARAMETER)
    return found


def _line(words: list[str]) -> bytes:
    line = " ".join(words)
    if not line.isprintable():
        raise ValueError("a command holds a control character")  # CWE-93
    return f"{line}\r\n".encode()


def _path_and_parameters(
    argument: str, keyword: str, syntax: Reply
) -> tuple[str, dict[str, str | None]]:
    """Split ``FROM:<path> KEY=value KEY`` (RFC 5321 §4.1.2); keys in upper case."""
    if argument[: len(keyword)].upper() != keyword:
        raise ReplyError(syntax)
    text = argument[len(keyword) :].strip(" ")
    found = _PATH.match(text)
    if found is None or (text[found.end() :] and text[found.end()] != " "):
        raise ReplyError(syntax)
    given: dict[str, str | None] = {}
    for word in text[found.end() :].split(" "):
        if word:
            key, value = _parameter(word)
            if key in given:
                raise ReplyError(BAD_PARAMETER)
            given[key] = value
    return _SOURCE_ROUTE.sub("", found[1], count=1), given


def _parameter(word: str) -> tuple[str, str | None]:
    key, equals, value = word.partition("=")
    if not _KEYWORD.fullmatch(key) or (equals and not _VALUE.fullmatch(value)):
        raise ReplyError(BAD_PARAMETER)
    return key.upper(), value if equals else None


def _address(text: str, malformed: Reply, *, smtputf8: bool) -> Address:
    if not text.isascii() and not smtputf8:
        raise ReplyError(Reply(553, "6.7", "such an address needs SMTPUTF8"))
    try:
        return parse_address(text)
    except AddressError as error:
        raise ReplyError(malformed) from error


def _read(given: dict[str, str | None], key: str, read: Callable[[str], T]) -> T | None:
    if key not in given:
        return None
    value = given[key]
    if value is None:
        raise ReplyError(BAD_PARAMETER)
    return read(value)


def _size(value: str) -> int:
    if not re.fullmatch(r"[0-9]{1,20}", value):
        raise ReplyError(BAD_PARAMETER)
    if int(value) > MAX_OCTETS:
        raise ReplyError(TOO_LARGE)
    return int(value)


def _body(value: str) -> Body:
    try:
        return Body(value.upper())
    except ValueError as error:
        raise ReplyError(BAD_PARAMETER) from error


def _transid(value: str) -> str:
    found = _TRANSID.fullmatch(value)
    if found is None or len(found[1]) > MAX_TRANSID:
        raise ReplyError(BAD_PARAMETER)
    return found[1]


def _ret(value: str) -> str:
    if value.upper() not in {"FULL", "HDRS"}:
        raise ReplyError(BAD_PARAMETER)
    return value.upper()


def _notify(value: str) -> tuple[str, ...]:
    wanted = tuple(value.upper().split(","))
    if wanted != ("NEVER",) and not (
        _NOTIFY.issuperset(wanted) and len(set(wanted)) == len(wanted)
    ):
        raise ReplyError(BAD_PARAMETER)
    return wanted


def _orcpt(value: str) -> str:
    kind, semicolon, address = value.partition(";")
    if not semicolon or not _KEYWORD.fullmatch(kind):
        raise ReplyError(BAD_PARAMETER)
    # RFC 6533 §3 allows UTF-8 as it is beside xtext; what is not ASCII passes through.
    return f"{kind};{from_xtext(address) if address.isascii() else address}"
