# SPDX-License-Identifier: Apache-2.0
"""One MIME entity: what its header block says, and the part it becomes (RFC 2045)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from maild.mail.fields import Params, envelope, parameters, unfold
from maild.mail.offer import MAX_SIZE, MEDIA_TYPE
from maild.mail.reply import Reply, ReplyError
from maild.mail.structure import Part

MAX_BOUNDARY = 70
"""Octets of a boundary (RFC 2046 §5.1.1)."""
MAX_FIELDS = 1000
"""Fields of one header block; real ones have under 200."""

MALFORMED = Reply(554, "6.0", "the message is not MIME that can be kept")
"""Of a message that breaks a limit of the standard itself (RFC 3463: other media)."""
TOO_BIG = Reply(552, "3.4", "the message has more structure than is taken here")
"""Of a message that breaks a limit of ours (RFC 3463: message too big)."""

_IDENTITY = ("7bit", "8bit", "binary")
_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:(.*)", re.DOTALL)
_DEFAULT_TYPE = ("text/plain", (("charset", "us-ascii"),))


class Header:
    """A header block: its fields, and its octets as the rendering has them."""

    def __init__(self, block: bytes) -> None:
        self.block = block
        self.names: list[bytes] = []
        self._found: dict[str, bytes] = {}
        for name, body in _fields(block):
            self.names.append(name)
            self._found.setdefault(name.decode("ascii").lower(), body)
            if len(self.names) > MAX_FIELDS:
                raise ReplyError(TOO_BIG)

    def get(self, name: str) -> str | None:
        """Return the first field of that name, unfolded."""
        body = self._found.get(name.lower())
        return None if body is None else unfold(body)

    def with_encoding(self, encoding: bytes) -> bytes:
        """Return the block with ``binary`` replaced as Content-Transfer-Encoding.

        The field is written anew on one line; every other octet stays.
        """
        lines: list[bytes] = []
        for line in _logical_lines(self.block):
            found = _FIELD.match(line)
            if (
                found is not None
                and found[1].lower() == b"content-transfer-encoding"
                and _token(unfold(found[2])) == "binary"
            ):
                line = found[1] + b": " + encoding + b"\r\n"
            lines.append(line)
        return b"".join(lines)


def _fields(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    for line in _logical_lines(block):
        found = _FIELD.match(line)
        if found is not None:
            yield found[1], found[2]


def _logical_lines(block: bytes) -> list[bytes]:
    """Return the fields, unbroken; joined they are ``block`` again."""
    return re.split(rb"(?<=\r\n)(?![ \t])", block)


def _token(text: str) -> str:
    return re.split(r"[\s;(]", text.strip(), maxsplit=1)[0].lower()


@dataclass(slots=True)
class Entity:
    """A part that is open: what is known of it before its end."""

    header: Header
    type: str
    subtype: str
    params: Params
    encoding: str
    """As it came; `Part.encoding` is as it is rendered."""
    header_start: int
    inner: bool
    """Whether it is inside a message/rfc822: its facts are not the message's."""
    needle: bytes = b""
    """CRLF and the delimiter of an open multipart (RFC 2046 §5.1.1), else b""."""
    is_message: bool = False
    """Whether a message is read inside it."""
    body_start: int = 0
    body_line: int = 0
    """Line ends of the rendering in front of the body."""
    rendered_encoding: str = "7bit"
    blob: int | None = None
    decoded_size: int | None = None
    children: list[Part] = field(default_factory=list)
    child_envelope: tuple[Any, ...] | None = None

    @property
    def media_type(self) -> str:
        """The type and subtype."""
        return f"{self.type}/{self.subtype}"

    @property
    def is_identity(self) -> bool:
        """Whether the body stands there without an encoding."""
        return self.encoding in _IDENTITY

    @property
    def is_text(self) -> bool:
        """Whether small bodies are kept as they are: text, and our own facts."""
        return self.type in ("text", "message", "multipart") or self.is_facts

    @property
    def is_facts(self) -> bool:
        """Whether it is an offer's or answer's JSON."""
        return self.media_type == MEDIA_TYPE

    @property
    def wants_message(self) -> bool:
        """Whether a message can be read inside it (RFC 2046 §5.2.1, RFC 6532 §3.7)."""
        return (
            self.type == "message"
            and self.subtype in ("rfc822", "global")
            and self.is_identity
        )

    @property
    def default_type(self) -> tuple[str, Params]:
        """The type of a part that names none (RFC 2046 §5.1.5)."""
        if self.media_type == "multipart/digest":
            return "message/rfc822", ()
        return _DEFAULT_TYPE

    def delimiter(self) -> bytes:
        """Return CRLF and the delimiter, b"" when there is no usable boundary."""
        if self.type != "multipart":
            return b""
        boundary = dict(self.params).get("boundary", "").rstrip()
        if len(boundary) > MAX_BOUNDARY:
            raise ReplyError(MALFORMED)
        if not boundary or not boundary.isascii() or not boundary.isprintable():
            return b""
        return b"\r\n--" + boundary.encode("ascii")

    def expected(self) -> int | None:
        """Return the size announced for the content (RFC 2183 §2.7), in octets."""
        _, params = parameters(self.header.get("Content-Disposition") or "")
        text = dict(params).get("size", "")
        if not re.fullmatch(r"[0-9]{1,19}", text) or int(text) > MAX_SIZE:
            return None
        return int(text)

    def part(self, end: int, line: int) -> Part:
        """Return the finished part; its body ends at ``end`` after ``line`` lines."""
        get = self.header.get
        disposition: str | None = None
        disposition_params: Params = ()
        said = get("Content-Disposition")
        if said is not None:
            disposition, disposition_params = parameters(said)
        counts_lines = self.type == "text" or self.is_message
        return Part(
            type=self.type,
            subtype=self.subtype,
            params=self.params,
            encoding=self.rendered_encoding,
            header_start=self.header_start,
            body_start=self.body_start,
            body_end=end,
            lines=line - self.body_line if counts_lines else 0,
            content_id=get("Content-ID"),
            description=get("Content-Description"),
            disposition=disposition,
            disposition_params=disposition_params,
            language=_languages(get("Content-Language")),
            location=get("Content-Location"),
            md5=get("Content-MD5"),
            blob=self.blob,
            decoded_size=self.decoded_size,
            envelope=self.child_envelope,
            children=tuple(self.children),
        )


def _languages(text: str | None) -> tuple[str, ...]:
    """Return the tags of a Content-Language field (RFC 3282)."""
    tags = re.split(r"[\s,]+", re.sub(r"\([^()]*\)", "", text or ""), maxsplit=20)
    return tuple(tag for tag in tags[:20] if tag)


def read_entity(block: bytes, start: int, parent: Entity | None) -> Entity:
    """Return the entity that the header block ``block`` begins."""
    header = Header(block)
    default = _DEFAULT_TYPE if parent is None else parent.default_type
    said = header.get("Content-Type")
    value, params = default if said is None else parameters(said)
    found = re.fullmatch(r"([!#$&+.^_a-z0-9-]+)/([!#$&+.^_a-z0-9-]+)", value)
    if found is None:
        value, params = _DEFAULT_TYPE  # RFC 2045 §5.2
    main, _, sub = value.partition("/")
    encoding = _token(header.get("Content-Transfer-Encoding") or "") or "7bit"
    inner = parent is not None and (parent.inner or parent.is_message)
    return Entity(
        header=header,
        type=main,
        subtype=sub,
        params=params,
        encoding=encoding,
        rendered_encoding=encoding,
        header_start=start,
        inner=inner,
    )


def inner_envelope(header: Header) -> tuple[Any, ...]:
    """Return the ENVELOPE of a message with this header."""
    return envelope(header.get)
