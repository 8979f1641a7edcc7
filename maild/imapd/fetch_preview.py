# SPDX-License-Identifier: Apache-2.0
"""The first words of a message, for lists of messages (RFC 8970)."""

from __future__ import annotations

from maild.imapd.decoding import Identity, decoder
from maild.imapd.fetch_octets import joined, octets
from maild.imapd.search_text import charset_decoder, text_parts
from maild.imapd.sections import Range
from maild.store.house import Store
from maild.store.messages import Content

LONGEST = 200
"""Characters of a preview (RFC 8970 §3.1 allows 256)."""
_LOOKED_AT = 4096
"""Octets of the part that are read for it."""


async def preview(store: Store, content: Content) -> str:
    """Return the beginning of the first text/plain part; "" when there is none."""
    for part in text_parts(content.structure.root):
        if part.subtype == "plain":
            break
    else:
        return ""
    end = min(part.body_end, part.body_start + _LOOKED_AT)
    if not content.complete and part.blob is not None:
        return ""
    coded = await joined(octets(store, content.rope, Range(part.body_start, end)))
    bare = decoder(part.encoding) or Identity()
    text = charset_decoder(part).decode(bare.feed(coded) + bare.finish())
    words = "".join(c if c.isprintable() else " " for c in text).split()
    return " ".join(words)[:LONGEST]
