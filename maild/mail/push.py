# SPDX-License-Identifier: Apache-2.0
"""What surrounds raw content on its way: the head of an upload, the frame of a push.

The content itself is never here; BINARYMIME (RFC 3030 §3) carries it between them.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import replace

from maild.mail import build, plain, thumbnail
from maild.mail.address import Address
from maild.mail.header import field, file_name, parameter_field
from maild.mail.letter import Facts, ItemFacts, head, item_line
from maild.mail.offer import MEDIA_TYPE, VERSION

NO_DIGEST = "0" * 64
"""What the tail of a push holds until the SHA-256 is known."""


def upload_head(
    item: ItemFacts,
    *,
    number: str,
    code: str,
    account: Address,
    facts: Facts,
    terminal: str,
    picture: bytes | None = None,
) -> bytes:
    """Return the header block of an upload, or a version, with its empty line.

    One part, ``Content-Type: application/octet-stream``, ``Content-Transfer-Encoding:
    binary``, ``Content-Disposition: attachment; filename*=..; size=n``,
    ``Share-Number``, ``Share-Code``, ``Share-Terminal``, ``Share-Type`` (the real
    media type).  What is still being recorded announces no size.  ``picture``: its
    thumbnail, ``Share-Thumbnail``.
    A version (no number) says its ``Share-SHA256``, too: its server has to put
    together just that.
    """
    kept = [
        ("Share-Number", number),
        ("Share-Code", code),
        ("Share-Terminal", terminal),
        ("Share-SHA256", "" if number else item.sha256 or ""),
    ]
    fields = [
        *head(account, account, facts),
        field("Subject", item.name),
        *(field(name, value) for name, value in kept if value),
        field("Share-Type", plain.media_type(item.type)),
        thumbnail.field(picture) if picture else b"",
        b"MIME-Version: 1.0\r\n",
        *_content_fields(item, "application/octet-stream"),
    ]
    return b"".join(fields) + b"\r\n"


def _content_fields(item: ItemFacts, media_type: str) -> list[bytes]:
    size = () if item.size is None else (("size", str(item.size)),)
    return [
        parameter_field("Content-Type", media_type, ()),
        b"Content-Transfer-Encoding: binary\r\n",
        parameter_field(
            "Content-Disposition",
            "attachment",
            (("filename", file_name(item.name)), *size),
        ),
    ]


def push_frame(item: ItemFacts, boundary: str, facts: Facts) -> tuple[bytes, bytes]:
    """Return (head, tail) around the raw octets of a push (BINARYMIME, RFC 3030 §3).

    multipart/mixed: text/plain, the content (binary, with ``size=``), and a part of
    fixed length, application/vnd.maild+json, holding the SHA-256.  No recipient is
    named.  The tail contains 64 zeros when ``item.sha256`` is None: `with_digest`.
    """
    if item.sender is None or item.size is None:
        raise ValueError("a push says who sends it, and how much")
    # The head may not depend on the digest: offsets mean the same on every attempt.
    said = plain.push_text(item_line(replace(item, sha256=None)))
    text = build.text_leaf(item.note or said)
    edge = f"--{boundary}\r\n".encode()
    before = [
        *head(item.sender, None, facts),
        field("Subject", item.name),
        field("Share-Type", plain.media_type(item.type)),
        b"MIME-Version: 1.0\r\n",
        parameter_field("Content-Type", "multipart/mixed", (("boundary", boundary),)),
        b"\r\n",
        edge,
        parameter_field("Content-Type", text.type, text.params),
        f"Content-Transfer-Encoding: {text.encoding}\r\n\r\n".encode(),
        text.octets,
        b"\r\n",
        edge,
        *_content_fields(item, plain.media_type(item.type, binary=True)),
        b"\r\n",
    ]
    behind = push_tail(boundary, item.type, item.size, item.sha256)
    return b"".join(before), behind


def push_tail(
    boundary: str, media_type: str, size: int, sha256: str | None = None
) -> bytes:
    """Return what stands behind the octets of a push: of the same length always.

    Whoever knows the boundary, the real media type and the size foresees it.
    """
    facts = {
        "maild": VERSION,
        "kind": "content",
        "type": plain.media_type(media_type),
        "size": size,
        "sha256": sha256 or NO_DIGEST,
    }
    return b"".join(
        [
            f"\r\n--{boundary}\r\n".encode(),
            parameter_field("Content-Type", MEDIA_TYPE, ()),
            b"Content-Transfer-Encoding: 7bit\r\n\r\n",
            json.dumps(facts, indent=1).replace("\n", "\r\n").encode("ascii"),
            f"\r\n\r\n--{boundary}--\r\n".encode(),
        ]
    )


def rendering(head: bytes, tail: bytes) -> str:
    """Return the 128 bits (hex) by which an offer names the frame of its push.

    Nobody can guess them to whom the frame has not been sent: its boundary is random.
    """
    return hashlib.sha256(head + tail).hexdigest()[:32]


def with_digest(tail: bytes, sha256: str) -> bytes:
    """Return ``tail`` with its zeros replaced; the length does not change."""
    if not re.fullmatch(r"[0-9a-f]{64}", sha256):
        raise ValueError("not a SHA-256 in lower case hex")
    before, quote, after = tail.partition(f'"{NO_DIGEST}"'.encode())
    return before + f'"{sha256}"'.encode() + after if quote else tail


def digest_in(facts: bytes) -> str | None:
    """Return the SHA-256 (hex) in the facts part of a push, or None.

    The receiving side's view of `with_digest`: ``facts`` is what
    `maild.wire.mime.MessageReader.facts` gives.  Zeros mean "not known" too.
    """
    try:
        found = json.loads(facts)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or found.get("kind") != "content":
        return None
    digest = found.get("sha256")
    if not isinstance(digest, str) or not re.fullmatch(r"[0-9a-f]{64}", digest):
        return None
    return None if digest == NO_DIGEST else digest
