# SPDX-License-Identifier: GPL-3.0-only
"""What the headers of WAV, MP3, FLAC and Ogg tell: duration, codec, channels, rate."""

from __future__ import annotations

from terminal_client.looking.octets import (
    OddError,
    Readable,
    big,
    exactly,
    exactly_at,
    little,
    size_of,
)
from terminal_client.looking.seen import Facts

MOST_CHUNKS = 200
"""Chunks of a WAV that are looked at."""
SEARCHED = 4 << 10
"""Octets behind a tag in which the first frame of an MP3 is looked for."""
LAST_PAGE = 64 << 10
"""Octets at the end of an Ogg in which its last page begins (RFC 3533 §6: 65,307)."""

_WAVE_CODECS = {
    1: "PCM", 2: "ADPCM", 3: "float PCM", 6: "A-law", 7: "mu-law", 0x55: "MP3",
    0xFFFE: "PCM",
}  # fmt: skip
_BITRATES = {
    "1": (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    "2": (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
"""Thousand bits a second of layer III, MPEG-1 and MPEG-2 (ISO/IEC 11172-3 §2.4.2.3)."""
_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
"""Samples a second by the version's bits."""


def wave(file: Readable) -> Facts:
    """Read RIFF or RF64 chunks: ``fmt`` says how, ``data`` how much."""
    at, end = 12, size_of(file)
    form, large = b"", 0
    for _ in range(MOST_CHUNKS):
        if at + 8 > end:
            break
        head = exactly_at(file, at, 8)
        size = little(head[4:])
        if head[:4] == b"ds64":  # EBU Tech 3306: the sizes that do not fit
            large = little(exactly(file, 16)[8:])
        elif head[:4] == b"fmt ":
            form = exactly(file, 16)
        elif head[:4] == b"data" and form:
            told = large if size == 0xFFFFFFFF and large else size
            # A recorder that was killed has left 0 or all ones there.
            octets = end - at - 8 if told in (0, 0xFFFFFFFF) else told
            return _wave_facts(form, octets)
        at += 8 + size + size % 2
    raise OddError("it has no sound")


def _wave_facts(form: bytes, octets: int) -> Facts:
    a_second = little(form[8:12])
    codec = _WAVE_CODECS.get(little(form[:2]), f"format {little(form[:2])}")
    return Facts(
        duration=round(octets / a_second, 3) if a_second else None,
        codecs=(codec,),
        channels=little(form[2:4]),
        rate=little(form[4:8]),
    )


def flac(file: Readable) -> Facts:
    """Read STREAMINFO (RFC 9639 §8.2)."""
    octets = exactly_at(file, 8, 34)
    bits = big(octets[10:18])
    rate, channels = bits >> 44, (bits >> 41 & 7) + 1
    samples = bits & ((1 << 36) - 1)
    duration = round(samples / rate, 3) if rate and samples else None
    return Facts(duration=duration, codecs=("FLAC",), channels=channels, rate=rate)


def ogg(file: Readable) -> Facts:
    """Read the first page's header and the last page's position (RFC 3533 §6)."""
    first = exactly_at(file, 0, 28)
    start = 27 + first[26]
    body = exactly_at(file, start, 30)
    if body.startswith(b"OpusHead"):  # RFC 7845 §5.1: always 48 kHz
        codec, channels, rate, skip = "Opus", body[9], 48000, little(body[10:12])
    elif body.startswith(b"\x01vorbis"):
        codec, channels, rate, skip = "Vorbis", body[11], little(body[12:16]), 0
    else:
        return Facts()
    end = size_of(file)
    begin = max(0, end - LAST_PAGE)
    tail = exactly_at(file, begin, end - begin)
    at = tail.rfind(b"OggS")
    samples = little(tail[at + 6 : at + 14]) - skip if at >= 0 else 0
    known = rate > 0 and 0 < samples < 1 << 62
    duration = round(samples / rate, 3) if known else None
    return Facts(duration=duration, codecs=(codec,), channels=channels, rate=rate)


def mp3(file: Readable) -> Facts:
    """Read the first frame; a Xing, Info or VBRI header in it counts all frames."""
    start = 0
    tag = exactly_at(file, 0, 10)
    if tag.startswith(b"ID3"):  # ID3v2.4 §3.1: four times seven bits
        start = 10 + sum(o & 0x7F and (o & 0x7F) << s for o, s in _sizes(tag[6:]))
    at, head = _first_frame(file, start)
    version, channels = head[1] >> 3 & 3, 1 if head[3] >> 6 == 3 else 2
    kbits = _BITRATES["1" if version == 3 else "2"][(head[2] >> 4) - 1]
    rate = _RATES[version][head[2] >> 2 & 3]
    a_frame = 1152 if version == 3 else 576
    frames = _frames(file, at, is_first=version == 3, channels=channels)
    if frames:
        duration = frames * a_frame / rate
    else:
        duration = (size_of(file) - at) * 8 / (kbits * 1000)
    return Facts(
        duration=round(duration, 3), codecs=("MP3",), channels=channels, rate=rate
    )


def _sizes(octets: bytes) -> list[tuple[int, int]]:
    return list(zip(octets, (21, 14, 7, 0), strict=True))


def _first_frame(file: Readable, start: int) -> tuple[int, bytes]:
    """Return where the first frame begins, and its header."""
    file.seek(start)
    octets = file.read(SEARCHED) or b""
    for at in range(len(octets) - 3):
        head = octets[at : at + 4]
        if head[0] == 0xFF and head[1] & 0xE0 == 0xE0 and is_frame(head):
            return start + at, head
    raise OddError("it has no frame")


def is_frame(head: bytes) -> bool:
    """Say whether four octets can begin a frame of layer III."""
    version, layer = head[1] >> 3 & 3, head[1] >> 1 & 3
    return (
        head[0] == 0xFF
        and head[1] & 0xE0 == 0xE0
        and version != 1
        and layer == 1
        and 0 < head[2] >> 4 < 15
        and head[2] >> 2 & 3 != 3
    )


def _frames(file: Readable, at: int, *, is_first: bool, channels: int) -> int:
    """Return how many frames there are, if the first one tells; else 0."""
    side = {(True, 2): 32, (True, 1): 17, (False, 2): 17, (False, 1): 9}
    file.seek(at + 4 + side[is_first, channels])
    found = file.read(12) or b""
    if found[:4] in (b"Xing", b"Info") and found[7:8] and found[7] & 1:
        return big(found[8:12])
    file.seek(at + 4 + 32)
    found = file.read(18) or b""
    return big(found[14:18]) if found[:4] == b"VBRI" else 0
