# SPDX-License-Identifier: GPL-3.0-only
"""Finds out what content is, by its first octets; the right reader looks at it."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice

from terminal_client.looking import (
    audio,
    images,
    matroska,
    mp4,
    packed,
    pdf,
    tar,
    text,
    zip_directory,
)
from terminal_client.looking.octets import OddError, Readable, size_of
from terminal_client.looking.range_file import AllowanceError, NotThereYetError
from terminal_client.looking.seen import Entry, Facts, Kind, Seen

HEAD = 2 << 10
"""Octets by which a format is recognized: those of one block."""
ENTRIES = 1000
"""Members of an archive that are listed, unless more are asked for."""
LONGEST_NAME = 4096
"""Characters of a member's name that are shown."""
DUMPED = 128
"""Octets shown of what nobody knows."""

MediaReader = Callable[[Readable], Facts]


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is shown at most."""

    lines: int = text.LINES
    entries: int = ENTRIES


def look(file: Readable, limits: Limits) -> Seen:
    """Return what content is, and what is in it; never raises for what is in it.

    ``file`` ends where its allowance does, or where it has not arrived: what was seen
    until then is returned, with a remark.
    """
    seen = Seen()
    try:
        _look(file, limits, seen)
    except (AllowanceError, NotThereYetError, packed.CutError) as error:
        seen.is_whole = False
        seen.remarks.append(str(error))
    except OddError as error:
        seen.is_whole = False
        seen.remarks.append(f"it is damaged: {error}")
    except (ValueError, ArithmeticError, LookupError, struct.error):
        # Who made it has thought of something that we have not.
        seen.is_whole = False
        seen.remarks.append("it is damaged: its headers make no sense")
    return seen


def _look(file: Readable, limits: Limits, seen: Seen) -> None:
    size = size_of(file)
    head = _beginning(file, HEAD)
    if not size:
        seen.kind, seen.format = Kind.TEXT, "empty"
        return
    if not head:
        raise NotThereYetError("nothing of it has arrived yet")
    if _media(file, head, seen):
        return
    if head.startswith((b"PK\3\4", b"PK\5\6")):
        seen.kind, seen.format = Kind.ARCHIVE, "zip"
        _list(_in_zip(file, seen), limits, seen)
    elif tar.is_tar(head):
        seen.kind, seen.format = Kind.ARCHIVE, "tar"
        _list((m.entry for m in tar.members(file)), limits, seen)
    elif (method := packed.method(head)) is not None:
        _unpack(file, size, method, limits, seen)
    else:
        _read_text(file, size, limits, seen)


def _media(file: Readable, head: bytes, seen: Seen) -> bool:
    """Have the reader of a media format look, if it is one."""
    picture = images.reader(head)
    if picture is not None:
        seen.kind, seen.format = Kind.IMAGE, picture[0]
        width, height = picture[1](file)
        seen.facts = Facts(width=width, height=height)
        return True
    if head.startswith(b"%PDF-"):
        seen.kind, seen.format = Kind.DOCUMENT, "PDF"
        seen.facts = Facts(pages=pdf.pages(file))
        return True
    found = _recorded(head)
    if found is None:
        return False
    seen.kind, seen.format, read = found
    seen.facts = read(file)
    if seen.kind is Kind.VIDEO and seen.facts.codecs and not seen.facts.width:
        seen.kind = Kind.AUDIO
    return True


_BRANDS = {b"qt  ": "MOV", b"M4A ": "M4A", b"avif": "AVIF", b"avis": "AVIF"}
_STILL = {b"avif", b"heic", b"heix", b"mif1", b"msf1", b"heim", b"heis"}


def _recorded(head: bytes) -> tuple[Kind, str, MediaReader] | None:
    """Return kind, format and reader of sound and video."""
    if head[4:8] == b"ftyp":
        brand = head[8:12]
        kind = Kind.IMAGE if brand in _STILL else Kind.VIDEO
        known = "HEIF" if brand in _STILL else "MP4"
        return kind, _BRANDS.get(brand, known), mp4.read
    if head[4:8] in (b"moov", b"wide", b"mdat"):
        return Kind.VIDEO, "MOV", mp4.read
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        name = "WebM" if b"webm" in head[:64] else "Matroska"
        return Kind.VIDEO, name, matroska.read
    if head[:4] in (b"RIFF", b"RF64") and head[8:12] == b"WAVE":
        return Kind.AUDIO, "WAV", audio.wave
    if head.startswith(b"fLaC"):
        return Kind.AUDIO, "FLAC", audio.flac
    if head.startswith(b"OggS"):
        return Kind.AUDIO, "Ogg", audio.ogg
    if head.startswith(b"ID3") or (len(head) >= 4 and audio.is_frame(head[:4])):
        return Kind.AUDIO, "MP3", audio.mp3
    return None


def _in_zip(file: Readable, seen: Seen) -> Iterator[Entry]:
    directory = zip_directory.find(file)
    seen.facts = replace(seen.facts, members=directory.members)
    return (member.entry for member in zip_directory.members(file, directory))


def _list(entries: Iterator[Entry], limits: Limits, seen: Seen) -> None:
    for entry in islice(entries, limits.entries):
        seen.entries.append(replace(entry, name=entry.name[:LONGEST_NAME]))
    if len(seen.entries) == limits.entries and next(entries, None) is not None:
        seen.is_whole = False
        seen.remarks.append(
            f"only the first {limits.entries} members are listed; --all lists more"
        )


def _unpack(
    file: Readable,
    size: int,
    method: tuple[str, Callable[[], object]],
    limits: Limits,
    seen: Seen,
) -> None:
    """Look at what was packed, as far as the beginning goes."""
    name, make = method
    seen.format = name
    inner = packed.beginning(file, make, size)
    head = inner.getvalue()[:HEAD]
    if not head and not inner.is_whole:
        raise packed.CutError("its first piece is too large to be unpacked for a look")
    if tar.is_tar(head):
        seen.kind, seen.format = Kind.ARCHIVE, f"tar, {name}"
        _list((m.entry for m in tar.members(inner)), limits, seen)
        return
    found = text.decoded(inner.getvalue()[: text.HEAD])
    if found is None:
        seen.kind = Kind.DATA
        seen.text, seen.is_whole = text.dump(head[:DUMPED]), False
        return
    seen.kind, seen.format = Kind.TEXT, f"{found[1]}, {name}"
    seen.text, all_lines = text.lines(found[0], limits.lines)
    seen.is_whole = all_lines and inner.is_whole and len(inner.getvalue()) <= text.HEAD


def _read_text(file: Readable, size: int, limits: Limits, seen: Seen) -> None:
    octets = _beginning(file, text.HEAD)
    found = text.decoded(octets)
    if found is None:
        seen.kind = Kind.DATA
        seen.text, seen.is_whole = text.dump(octets[:DUMPED]), size <= DUMPED
        return
    seen.kind, seen.format = Kind.TEXT, found[1]
    seen.text, all_lines = text.lines(found[0], limits.lines)
    seen.is_whole = all_lines and len(octets) == size


def _beginning(file: Readable, most: int) -> bytes:
    """Return the first octets, as far as they have arrived."""
    there = getattr(file, "there", most)
    file.seek(0)
    return file.read(min(most, there)) or b""
