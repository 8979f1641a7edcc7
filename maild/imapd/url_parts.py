# SPDX-License-Identifier: Apache-2.0
"""What the URL of a part stands for: octets of one's own messages (RFC 4469)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from maild.imapd.decoding import IDENTITY
from maild.imapd.fetch_plan import raw_blob
from maild.imapd.sections import find_part, range_of
from maild.imapd.session import Session
from maild.mail.address import AddressError, parse_address
from maild.store import mailboxes, messages
from maild.store.index import Tx
from maild.store.messages import Content
from maild.store.rope import Rope
from maild.wire.imap_cursor import BadError
from maild.wire.imap_fetch import Section, parse_section
from maild.wire.imap_url import ImapUrl, UrlError, parse_reference
from maild.wire.imap_write import NoError

_SHOWN = re.compile(r"[!#-\[^-~]{1,200}")
"""URLs that can be repeated in an answer as they are."""


@dataclass(frozen=True, slots=True)
class Source:
    """Octets of the store: ``size`` from ``start`` of a rendering."""

    rope: Rope
    start: int
    size: int


def bad_url(url: str, text: str) -> NoError:
    """Return the answer to a URL that gives nothing (RFC 4469 §4.1)."""
    code = f'BADURL "{url}"' if _SHOWN.fullmatch(url) else "BADURL"
    return NoError(text, code)


async def resolve(session: Session, url: str, *, raw: bool) -> Source:
    """Return what a URL names, in one of the account's own mailboxes.

    ``raw``: it goes into a part whose encoding is ``binary``.  What is in another
    encoding would be no content there, so a part's content is meant then, as BINARY
    gives it (RFC 3516 §4.2) and as BURL under BINARYMIME (RFC 4468 §4); ``PARTIAL``
    counts its octets.  Anywhere else the octets are those of ``BODY[section]``.
    """
    try:
        found = parse_reference(url)
        section = parse_section(found.section or "")
    except (UrlError, BadError) as error:
        raise bad_url(url, "that is no URL of a message") from error
    if not _is_own(session, found) or section.fields:
        raise bad_url(url, "that is not in your mailboxes")
    content = await session.store.index.read(_look_up, session, found)
    if content is None:
        raise bad_url(url, "there is no such message")
    if not content.complete:
        raise NoError("the content is still arriving", "INUSE")
    source = (_content if raw else _rendered)(content, section)
    if source is None:
        raise bad_url(url, "there is no such part, or its encoding cannot be removed")
    return _cut(source, found, url)


def _is_own(session: Session, url: ImapUrl) -> bool:
    """Whether host and user, if it names any, are this server and this account."""
    if not url.host:
        return True
    identity, address = session.house.identity, session.owner.address
    if url.host != identity.hostname.lower() and url.host not in identity.domains:
        return False
    user = url.user if "@" in url.user else f"{url.user}@{address.domain}"
    try:
        return parse_address(user).key == address.key
    except AddressError:
        return False


def _look_up(tx: Tx, session: Session, url: ImapUrl) -> Content | None:
    """Return the message that a URL names (a reading job)."""
    view = session.selected
    mailbox = view.mailbox if view is not None else None
    if url.mailbox:
        mailbox = mailboxes.find(tx, session.owner.id, url.mailbox)
    if mailbox is None or url.uid_validity not in (None, mailbox.uid_validity):
        return None
    line = messages.line(tx, mailbox.id, url.uid)
    if line is None or line.size > session.largest:
        return None
    return messages.content(tx, line.content_id)


def _content(content: Content, section: Section) -> Source | None:
    """Return octets without their encoding; None: there is no way to, or no part."""
    part = find_part(content.structure, section.part) if section.part else None
    if part is None or section.text or part.type in {"multipart", "message"}:
        return _rendered(content, section)
    blob = raw_blob(content.rope, part)
    if blob is not None:
        return Source(Rope([blob]), 0, blob.length)
    return _rendered(content, section) if part.encoding in IDENTITY else None


def _rendered(content: Content, section: Section) -> Source | None:
    """Return the octets that ``BODY[section]`` gives."""
    found = range_of(content.structure, section)
    return None if found is None else Source(content.rope, found.start, found.size)


def _cut(source: Source, url: ImapUrl, text: str) -> Source:
    """Return what PARTIAL leaves; all of it has to be there (RFC 5092 §6)."""
    if url.partial is None:
        return source
    start, count = url.partial
    count = source.size - start if count is None else count
    if count < 0 or start + count > source.size:
        raise bad_url(text, "the range is not in the part")
    return Source(source.rope, source.start + start, count)
