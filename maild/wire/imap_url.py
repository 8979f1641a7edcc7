# SPDX-License-Identifier: Apache-2.0
"""IMAP URLs as BURL carries them (RFC 5092, the part without URLAUTH)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote_to_bytes

_URL = re.compile(
    r"imap://(?P<user>[^@/;:\s]+)@(?P<host>[A-Za-z0-9.-]+)(?::[0-9]{1,5})?"
    r"/(?P<mailbox>[^;\s]+?)(?:;UIDVALIDITY=(?P<validity>[0-9]{1,10}))?"
    r"/;UID=(?P<uid>[0-9]{1,10})(?:/;SECTION=(?P<section>[A-Za-z0-9.]+))?",
    re.IGNORECASE,
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

    def __str__(self) -> str:
        text = (
            f"imap://{quote(self.user, safe='')}@{self.host}"
            f"/{quote(self.mailbox, safe=_MAILBOX_SAFE)}"
        )
        if self.uid_validity is not None:
            text += f";UIDVALIDITY={self.uid_validity}"
        text += f"/;UID={self.uid}"
        return f"{text}/;SECTION={self.section}" if self.section else text


def parse_imap_url(text: str) -> ImapUrl:
    """Read ``imap://user@host/mailbox;UIDVALIDITY=n/;UID=m[/;SECTION=s]``."""
    found = _URL.fullmatch(text)
    if found is None:
        raise UrlError("not the URL of a message")
    validity = found["validity"]
    return ImapUrl(
        user=_decoded(found["user"]),
        host=found["host"].lower(),
        mailbox=_decoded(found["mailbox"]),
        uid=int(found["uid"]),
        uid_validity=int(validity) if validity else None,
        section=found["section"],
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
