# SPDX-License-Identifier: Apache-2.0
"""Writes a MIME message from its parts, noting the structure while writing.

The result is what `maild.wire.mime.MessageReader` would find (a test compares them).
Every line is ASCII, ends with CRLF and has at most 998 octets, so no server on the way
has to change an octet.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256

from maild.mail.fields import envelope, unfold
from maild.mail.header import parameter_field
from maild.mail.structure import Part, Structure

MAX_LINE = 998
"""Octets of a line without its CRLF (RFC 5322 §2.1.1)."""


@dataclass(frozen=True, slots=True)
class Composed:
    """A small message, whole, and its structure."""

    octets: bytes
    structure: Structure


@dataclass(frozen=True, slots=True)
class Leaf:
    """A part without parts; ``octets`` are its body as encoded."""

    type: str
    octets: bytes
    encoding: str = "7bit"
    params: tuple[tuple[str, str], ...] = ()
    content_id: str | None = None
    disposition: str | None = None
    disposition_params: tuple[tuple[str, str], ...] = ()
    decoded_size: int | None = None
    """Octets of the content, None for quoted-printable."""


@dataclass(frozen=True, slots=True)
class Multi:
    """A multipart; its boundary is made while writing."""

    subtype: str
    parts: tuple[Leaf | Multi, ...]
    params: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class _Page:
    """What has been written so far."""

    seed: str
    out: bytearray = field(default_factory=bytearray)
    boundaries: int = 0

    def boundary(self) -> str:
        """Return the next boundary: ``=_`` begins no line of any body written here."""
        self.boundaries += 1
        digest = sha256(f"{self.boundaries} {self.seed}".encode("utf-8", "replace"))
        return f"=_{digest.hexdigest()[:32]}"


def text_leaf(text: str, type: str = "text/plain") -> Leaf:
    """Return a text part: as it is when it is plain ASCII, else encoded UTF-8."""
    lines = re.split(r"\r\n|\r|\n", text)
    body = "\r\n".join(map(_safe_line, lines)).rstrip("\r\n") + "\r\n"
    octets = body.encode()
    longest = max(map(len, octets.split(b"\r\n")))
    if body.isascii() and longest <= MAX_LINE and "=_" not in body:
        charset = (("charset", "us-ascii"),)
        return Leaf(type, octets, "7bit", charset, decoded_size=len(octets))
    quoted = binascii.b2a_qp(octets, istext=True)
    coded = base64_lines(octets)
    if len(quoted) <= len(coded):
        return Leaf(type, quoted, "quoted-printable", (("charset", "utf-8"),))
    return Leaf(
        type, coded, "base64", (("charset", "utf-8"),), decoded_size=len(octets)
    )


def _safe_line(line: str) -> str:
    line = re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]", "\ufffd", line)
    return re.sub(r"[\u2028\u2029\u202a-\u202e\u2066-\u2069]", "\ufffd", line)


def data_leaf(
    type: str,
    octets: bytes,
    *,
    content_id: str | None = None,
    disposition: str | None = None,
    disposition_params: tuple[tuple[str, str], ...] = (),
) -> Leaf:
    """Return a base64 part."""
    return Leaf(
        type,
        base64_lines(octets),
        "base64",
        content_id=content_id,
        disposition=disposition,
        disposition_params=disposition_params,
        decoded_size=len(octets),
    )


def facts_leaf(type: str, json: str) -> Leaf:
    """Return a JSON part; ``json`` is ASCII."""
    octets = json.replace("\n", "\r\n").encode("ascii") + b"\r\n"
    if max(map(len, octets.split(b"\r\n"))) <= MAX_LINE and b"=_" not in octets:
        return Leaf(type, octets, decoded_size=len(octets))
    return data_leaf(type, octets)


def base64_lines(octets: bytes) -> bytes:
    """Return base64 in lines of 76 characters; the last line has no CRLF."""
    coded = b64encode(octets)
    return b"\r\n".join(coded[i : i + 76] for i in range(0, len(coded), 76))


def write(fields: Sequence[bytes], root: Leaf | Multi, seed: str) -> Composed:
    """Return the message; ``seed`` (its message id) makes its boundaries its own."""
    page = _Page(seed)
    for one in (*fields, b"MIME-Version: 1.0\r\n"):
        page.out += one
    part = _write_part(page, root, 0)
    page.out += b"" if page.out.endswith(b"\r\n") else b"\r\n"
    size = len(page.out)
    whole = _ended(part, size, page.out)
    structure = Structure(whole, size, envelope(_Reader(fields).get))
    return Composed(bytes(page.out), structure)


class _Reader:
    """Looks up the fields just written, as a reader of the message would."""

    def __init__(self, fields: Sequence[bytes]) -> None:
        split = (one.split(b":", 1) for one in fields)
        self._found = {name.decode().lower(): unfold(body) for name, body in split}

    def get(self, name: str) -> str | None:
        return self._found.get(name.lower())


def _write_part(page: _Page, part: Leaf | Multi, start: int) -> Part:
    if isinstance(part, Multi):
        return _write_multi(page, part, start)
    page.out += parameter_field("Content-Type", part.type, part.params)
    page.out += f"Content-Transfer-Encoding: {part.encoding}\r\n".encode()
    if part.content_id is not None:
        page.out += f"Content-ID: {part.content_id}\r\n".encode()
    if part.disposition is not None:
        page.out += parameter_field(
            "Content-Disposition", part.disposition, part.disposition_params
        )
    page.out += b"\r\n"
    body_start = len(page.out)
    page.out += part.octets
    main, _, sub = part.type.partition("/")
    return Part(
        type=main,
        subtype=sub,
        params=part.params,
        encoding=part.encoding,
        header_start=start,
        body_start=body_start,
        body_end=len(page.out),
        lines=part.octets.count(b"\n") if main == "text" else 0,
        content_id=part.content_id,
        disposition=part.disposition,
        disposition_params=part.disposition_params,
        decoded_size=part.decoded_size,
    )


def _write_multi(page: _Page, multi: Multi, start: int) -> Part:
    boundary = page.boundary()
    params = (*multi.params, ("boundary", boundary))
    page.out += parameter_field("Content-Type", f"multipart/{multi.subtype}", params)
    page.out += b"\r\n"
    body_start = len(page.out)
    children: list[Part] = []
    for part in multi.parts:
        page.out += b"\r\n" if children else b""
        page.out += f"--{boundary}\r\n".encode()
        children.append(_write_part(page, part, len(page.out)))
    page.out += f"\r\n--{boundary}--".encode()
    return Part(
        type="multipart",
        subtype=multi.subtype,
        params=params,
        encoding="7bit",
        header_start=start,
        body_start=body_start,
        body_end=len(page.out),
        children=tuple(children),
    )


def _ended(part: Part, size: int, out: bytearray) -> Part:
    """Return the root part, which ends where the message ends."""
    lines = out.count(b"\n", part.body_start) if part.type == "text" else 0
    return replace(part, body_end=size, lines=lines)
