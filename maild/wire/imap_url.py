# SPDX-License-Identifier: Apache-2.0
"""IMAP URLs as BURL carries them (RFC 5092, the part without URLAUTH)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote_to_bytes

_MESSAGE = (
    r"(?:;UIDVALIDITY=(?P<validity>[0-9]{1,10}))?"
    r"/;UID=(?P<uid>[0-9]{1,10})(?:/;SECTION=(?P<section>[A-Za-z0-9.%()_-]+))?"
    r"(?:/;PARTIAL=(?P<start>[0-9]{1,19})(?:\.(?P<count>[0-9]{1,19}))?)?"
)
_SERVER = r"imap://(?P<user>[^@/;:\s]+)@(?P<host>[A-Za-z0-9.-]+)(?::[0-9]{1,5})?"
_URL = re.compile(rf"{_SERVER}/(?P<mailbox>[^;\s]+?){_MESSAGE}", re.IGNORECASE)
_RELATIVE = re.compile(
    rf"(?:(?:{_SERVER})?/(?P<mailbox>[^;/\s][^;\s]*?))?{_MESSAGE}", re.IGNORECASE
)
_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_MAILBOX_SAFE = "/!$'()*+,&=~"
"""Of ``bchar`` (RFC 5092 §11), beside the unreserved ones; less ``:`` and ``@``."""


class UrlError(ValueError):
    """The text is not an IMAP URL of one message."""


@dataclass(frozen=True, slots=True)
class ImapUrl:
    """One message, or one section of it, in a mailbox of ``user`` at ``host``."""

    user: str
    host: str
    mailbox: str
    uid: int
    uid_validity: int | None = None
    section: str | None = None
    partial: tuple[int, int | None] | None = None
    """Offset and number of octets (RFC 5092 §6: PARTIAL); None is to the end."""

    def __str__(self) -> str:
        return f"imap://{quote(self.user, safe='')}@{self.host}{self.path}"

    @property
    def path(self) -> str:
        """The URL without its server (RFC 5092 §7.2: an absolute path)."""
        text = f"/{quote(self.mailbox, safe=_MAILBOX_SAFE)}"
        if self.uid_validity is not None:
            text += f";UIDVALIDITY={self.uid_validity}"
        text += f"/;UID={self.uid}"
        if self.section:
            text += f"/;SECTION={self.section}"
        if self.partial is not None:
            start, count = self.partial
            text += f"/;PARTIAL={start}" + ("" if count is None else f".{count}")
        return text


def parse_imap_url(text: str) -> ImapUrl:
    """Read ``imap://user@host/mailbox;UIDVALIDITY=n/;UID=m[/;SECTION=s]``."""
    found = _URL.fullmatch(text)
    if found is None or found["start"] is not None:
        raise UrlError("not the URL of a message")
    return _url(found)


def parse_reference(text: str) -> ImapUrl:
    """Read the same, or a reference relative to a server or mailbox (RFC 5092 §7).

    What it leaves out is "": user and host; the mailbox, too, of ``;UID=m``.
    """
    if text[:5].upper() == ";UID=":
        text = "/" + text  # RFC 5092 §7.2: relative to the mailbox
    found = _RELATIVE.fullmatch(text)
    if found is None:
        raise UrlError("not the URL of a message")
    return _url(found)


def _url(found: re.Match[str]) -> ImapUrl:
    validity, start, count = found["validity"], found["start"], found["count"]
    return ImapUrl(
        user=_decoded(found["user"] or ""),
        host=(found["host"] or "").lower(),
        mailbox=_decoded(found["mailbox"] or ""),
        uid=int(found["uid"]),
        uid_validity=int(validity) if validity else None,
        section=_decoded(found["section"]) if found["section"] else None,
        partial=None if start is None else (int(start), int(count) if count else None),
    )


def _decoded(text: str) -> str:
    """Undo percent-encoding; strictly, and to printable text only."""
    if _ESCAPE.search(text):
        raise UrlError("a percent sign that escapes nothing")
    try:
        found = unquote_to_bytes(text).decode()
    except UnicodeDecodeError as error:
        raise UrlError("an escape that is not UTF-8") from error
    if not found.isprintable():
        raise UrlError("a control character")
    return found
