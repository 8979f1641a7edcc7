# SPDX-License-Identifier: Apache-2.0
"""Names for new things: queue ids, trace ids, nonces, tickets, boundaries."""

from __future__ import annotations

import secrets

_ALPHABET = "0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz"
"""52 characters without vowels, as Postfix long queue ids: no id spells a word."""


def queue_id() -> str:
    """Return a fresh id of 14 characters (about 80 bits)."""
    number = int.from_bytes(secrets.token_bytes(16))
    found = ""
    for _ in range(14):
        number, place = divmod(number, len(_ALPHABET))
        found += _ALPHABET[place]
    return found


def trace_id() -> str:
    """Return a fresh trace id, 16 hex digits; one story keeps it on every hop."""
    return secrets.token_hex(8)


def nonce() -> str:
    """Return 128 random bits as 32 hex digits: nonces and tickets."""
    return secrets.token_hex(16)


def boundary() -> str:
    """Return a MIME boundary of 128 random bits (RFC 2046 §5.1.1)."""
    return f"=_{secrets.token_hex(16)}"
