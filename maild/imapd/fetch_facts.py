# SPDX-License-Identifier: Apache-2.0
"""The items of FETCH that need no octets: FLAGS, UID, INTERNALDATE, ENVELOPE, ..."""

from __future__ import annotations

import time

from maild.imapd.bodystructure import MAX_NUMBER, body, envelope
from maild.mail.structure import Structure
from maild.store.messages import Line
from maild.wire.imap_cursor import MONTHS
from maild.wire.imap_write import flag_list


def of_line(name: str, line: Line, *, rev2: bool) -> bytes | None:
    """Return an item that the mailbox's own record answers; None: another one."""
    match name:
        case "UID":
            return b"UID %d" % line.uid
        case "FLAGS":
            return b"FLAGS " + flag_list(line.flags)
        case "MODSEQ":
            return b"MODSEQ (%d)" % line.mod_seq
        case "INTERNALDATE":
            return b'INTERNALDATE "%b"' % date_time(line.internal_date)
        case "RFC822.SIZE":
            size = line.size if rev2 else min(line.size, MAX_NUMBER)
            return b"RFC822.SIZE %d" % size
        case "EMAILID":  # RFC 8474 §4.1: a content is immutable and shared by copies
            return b"EMAILID (M%d)" % line.content_id
        case "THREADID":  # RFC 8474 §4.2: threads are not computed
            return b"THREADID NIL"
        case _:
            return None


def of_structure(name: str, structure: Structure, *, rev2: bool) -> bytes:
    """Return ENVELOPE, BODY or BODYSTRUCTURE."""
    if name == "ENVELOPE":
        return b"ENVELOPE " + envelope(structure.envelope)
    extended = name == "BODYSTRUCTURE"
    shown = body(structure.root, extended=extended, rev2=rev2)
    return name.encode() + b" " + shown


def date_time(moment: float) -> bytes:
    """Return Unix seconds as ``01-Feb-1994 21:52:25 +0000`` (RFC 9051 §9)."""
    at = time.gmtime(moment)
    return (
        f"{at.tm_mday:2d}-{MONTHS[at.tm_mon - 1]}-{at.tm_year:04d} "
        f"{at.tm_hour:02d}:{at.tm_min:02d}:{at.tm_sec:02d} +0000"
    ).encode()
