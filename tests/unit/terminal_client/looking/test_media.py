# SPDX-License-Identifier: GPL-3.0-only
"""Media facts by their headers, wherever these stand, however wrong they are."""

from __future__ import annotations

import io
import struct
import tracemalloc
import wave

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from terminal_client.looking.look import Limits, look
from terminal_client.looking.seen import Facts, Kind
from tests.unit.terminal_client.looking.files import Elsewhere, looked


def image(form: str, **options: bool) -> bytes:
    place = io.BytesIO()
    Image.new("RGB", (321, 123), (200, 30, 30)).save(place, form, **options)
    return place.getvalue()


@pytest.mark.parametrize(
    ("octets", "form"),
    [(image(f), f) for f in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "AVIF")]
    + [(image("WEBP"), "WebP"), (image("WEBP", lossless=True), "WebP")],
)
def test_images(octets: bytes, form: str) -> None:
    seen = looked(octets)
    assert (seen.kind, seen.format) == (Kind.IMAGE, form)
    assert seen.facts == Facts(width=321, height=123)


def test_a_jpeg_behind_much_else() -> None:
    octets = image("JPEG")
    other = b"\xff\xe1\xff\xff" + bytes(65533)
    there = Elsewhere(octets[:2] + other * 20 + octets[2:])
    assert look(there.file, Limits()).facts == Facts(width=321, height=123)
    assert there.octets < 50_000


def box(kind: bytes, *inside: bytes) -> bytes:
    body = b"".join(inside)
    return struct.pack(">L4s", 8 + len(body), kind) + body


def handler(kind: bytes) -> bytes:
    return box(b"hdlr", bytes(8), kind, bytes(12))


def sample(codec: bytes, body: bytes) -> bytes:
    entry = struct.pack(">L4s", 8 + len(body), codec) + body
    return box(b"stsd", struct.pack(">2L", 0, 1), entry)


def track(kind: bytes, codec: bytes, body: bytes) -> bytes:
    tables = box(b"minf", box(b"stbl", sample(codec, body)))
    return box(b"trak", box(b"mdia", handler(kind), tables))


VIDEO = bytes(24) + struct.pack(">2H", 1920, 1080) + bytes(50)
SOUND = bytes(16) + struct.pack(">H", 2) + bytes(6) + struct.pack(">L", 48000 << 16)
FILE_TYPE = box(b"ftyp", b"isom", bytes(8))
MOVIE = box(
    b"moov",
    box(b"mvhd", bytes(12), struct.pack(">2L", 1000, 90_500), bytes(80)),
    track(b"vide", b"avc1", VIDEO),
    track(b"soun", b"mp4a", SOUND + bytes(20)),
)
FILM = Facts(1920, 1080, 90.5, ("avc1", "mp4a"), channels=2, rate=48000)


@pytest.mark.parametrize("is_first", [True, False])
def test_mp4(is_first: bool) -> None:
    content = struct.pack(">L4sQ", 1, b"mdat", 16 + 2_000_000) + bytes(2_000_000)
    parts = [MOVIE, content] if is_first else [content, MOVIE]
    there = Elsewhere(FILE_TYPE + b"".join(parts))
    seen = look(there.file, Limits())
    assert (seen.kind, seen.format, seen.remarks) == (Kind.VIDEO, "MP4", [])
    assert seen.facts == FILM
    assert there.octets < 20_000


def test_mp4_whose_index_has_not_arrived() -> None:
    content = box(b"mdat", bytes(100_000))
    seen = looked(FILE_TYPE + content + MOVIE, there=50_000)
    assert (seen.kind, seen.format) == (Kind.VIDEO, "MP4")
    assert "are there yet" in seen.remarks[0]


def test_mp4_in_fragments_tells_its_duration_elsewhere() -> None:
    movie = box(
        b"moov",
        box(b"mvhd", bytes(12), struct.pack(">2L", 1000, 0), bytes(80)),
        box(b"mvex", box(b"mehd", struct.pack(">2L", 0, 7000))),
    )
    assert looked(FILE_TYPE + movie).facts.duration == 7


def test_sound_in_mp4() -> None:
    movie = box(b"moov", track(b"soun", b"mp4a", SOUND + bytes(20)))
    seen = looked(box(b"ftyp", b"M4A ", bytes(8)) + movie)
    assert (seen.kind, seen.format) == (Kind.AUDIO, "M4A")


def element(id_: int, body: bytes) -> bytes:
    name = id_.to_bytes((id_.bit_length() + 7) // 8, "big")
    return name + (1 << 56 | len(body)).to_bytes(8, "big") + body


def number(value: int) -> bytes:
    return value.to_bytes(4, "big")


HEAD = element(0x1A45DFA3, element(0x4282, b"matroska"))
INFO = element(
    0x1549A966,
    element(0x2AD7B1, number(1_000_000)) + element(0x4489, struct.pack(">d", 90_500.0)),
)
TRACKS = element(
    0x1654AE6B,
    element(
        0xAE,
        element(0x86, b"V_VP9")
        + element(0xE0, element(0xB0, number(1920)) + element(0xBA, number(1080))),
    )
    + element(
        0xAE,
        element(0x86, b"A_OPUS")
        + element(
            0xE1, element(0xB5, struct.pack(">f", 48000.0)) + element(0x9F, b"\2")
        ),
    ),
)
CLUSTER = element(0x1F43B675, bytes(500_000))


def segment(body: bytes, *, unknown: bool = False) -> bytes:
    if unknown:
        return HEAD + bytes.fromhex("1853806701ffffffffffffff") + body
    return HEAD + element(0x18538067, body)


def seeks(place: int) -> bytes:
    seek = element(0x53AB, bytes.fromhex("1654AE6B")) + element(0x53AC, number(place))
    return element(0x114D9B74, element(0x4DBB, seek))


@pytest.mark.parametrize("unknown", [True, False])
def test_matroska(unknown: bool) -> None:
    there = Elsewhere(segment(INFO + TRACKS + CLUSTER, unknown=unknown))
    seen = look(there.file, Limits())
    assert (seen.kind, seen.format, seen.remarks) == (Kind.VIDEO, "Matroska", [])
    assert seen.facts == Facts(
        1920, 1080, 90.5, ("V_VP9", "A_OPUS"), channels=2, rate=48000
    )
    assert there.octets < 10_000


def test_matroska_whose_tracks_stand_at_the_end() -> None:
    place = len(seeks(0)) + len(INFO) + len(CLUSTER)
    seen = looked(segment(seeks(place) + INFO + CLUSTER + TRACKS))
    assert seen.facts.codecs == ("V_VP9", "A_OPUS")


def test_wave() -> None:
    place = io.BytesIO()
    with wave.open(place, "wb") as sound:
        sound.setnchannels(2)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(bytes(4 * 8000 * 3))
    expected = Facts(duration=3.0, codecs=("PCM",), channels=2, rate=8000)
    octets = place.getvalue()
    assert looked(octets).facts == expected
    at = octets.index(b"data") + 4
    killed = octets[:at] + b"\xff\xff\xff\xff" + octets[at + 4 :]
    assert looked(killed).facts == expected


MP3_FRAME = bytes.fromhex("fffb9064") + bytes(413)
"""MPEG-1 layer III, 128 kbit/s, 44,100 Hz, joint stereo: 417 octets."""


def test_mp3_of_one_bitrate() -> None:
    seen = looked(MP3_FRAME * 383)
    assert seen.facts == Facts(duration=9.982, codecs=("MP3",), channels=2, rate=44100)
    assert (seen.kind, seen.format) == (Kind.AUDIO, "MP3")


def test_mp3_of_several_bitrates_behind_a_tag() -> None:
    counted = MP3_FRAME[:36] + b"Xing" + number(1) + number(2297) + bytes(369)
    tag = b"ID3\4\0\0" + bytes([0, 0, 2, 44]) + bytes(300)
    assert looked(tag + counted + MP3_FRAME * 5).facts.duration == 60.003


def test_flac() -> None:
    bits = 44100 << 44 | 1 << 41 | 15 << 36 | 44100 * 10
    info = bytes(10) + bits.to_bytes(8, "big") + bytes(16)
    facts = looked(b"fLaC\x80\0\0\x22" + info).facts
    assert facts == Facts(duration=10.0, codecs=("FLAC",), channels=2, rate=44100)


def page(position: int, body: bytes) -> bytes:
    head = struct.pack("<4sBBQLLLB", b"OggS", 0, 2, position, 1, 0, 0, 1)
    return head + bytes([min(len(body), 255)]) + body


def test_ogg() -> None:
    head = b"OpusHead\1\2" + struct.pack("<HLhB", 312, 44100, 0, 0) + bytes(20)
    last = page(48000 * 5 + 312, bytes(50))
    facts = looked(page(0, head) + bytes(100_000) + last).facts
    assert facts == Facts(duration=5.0, codecs=("Opus",), channels=2, rate=48000)


@pytest.mark.parametrize(
    ("octets", "pages"),
    [
        (b"%PDF-1.7\n1 0 obj<</Linearized 1/L 9/N 12/T 5>>endobj", 12),
        (
            b"%PDF-1.4\n2 0 obj<< /Type /Pages /Kids [3 0 R] /Count 7 >>endobj\n"
            b"3 0 obj<< /Type /Pages /Parent 2 0 R /Count 3 >>endobj\n%%EOF",
            7,
        ),
        (b"%PDF-1.4 <</Type/Pages/Count 7/Resources<</Count 9>> >> <</Count 8>>", 7),
        (b"%PDF-1.4 /Count 9 >> <</Kids[]/Count 7/Type/Pages", 7),
        (b"%PDF-1.5\n" + bytes(200_000) + b"%%EOF", None),
    ],
)
def test_pdf(octets: bytes, pages: int | None) -> None:
    seen = looked(octets)
    assert (seen.kind, seen.format, seen.facts.pages) == (Kind.DOCUMENT, "PDF", pages)


def test_page_trees_without_end() -> None:
    octets = b"%PDF-1.4\n<<" + b"/Type/Pages" * 2900 + b"/Count 1 " * 3500
    tracemalloc.start()
    try:
        assert looked(octets).facts.pages == 1
        assert tracemalloc.get_traced_memory()[1] < 5 << 20
    finally:
        tracemalloc.stop()


MEDIA = {
    "mp4": FILE_TYPE + MOVIE,
    "matroska": segment(INFO + TRACKS),
    "mp3": MP3_FRAME * 3,
    "png": image("PNG"),
    "jpeg": image("JPEG"),
    "webp": image("WEBP"),
    "tiff": image("TIFF")[:8] + image("TIFF")[-300:],
    "avif": image("AVIF"),
    "wave": b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0" + bytes(16) + b"data\5\0\0\0hello",
    "ogg": page(0, b"OpusHead\1\2" + bytes(30)),
    "flac": b"fLaC" + bytes(50),
    "pdf": b"%PDF-1.4 /Type /Pages /Count 5 >>",
}


@settings(deadline=None)  # other work on the machine is no finding
@given(st.sampled_from(sorted(MEDIA)), st.binary(max_size=40), st.integers(0, 500))
def test_whatever_is_in_it_nothing_breaks(name: str, junk: bytes, at: int) -> None:
    octets = MEDIA[name]
    looked(octets[:at] + junk + octets[at + len(junk) :])
    looked(octets[:at])


def test_boxes_without_end() -> None:
    seen = looked(FILE_TYPE + box(b"free") * 50_000)
    assert seen.remarks == ["it is damaged: it has too many boxes"]


def test_boxes_in_boxes() -> None:
    inner = b""
    for _ in range(5000):
        inner = box(b"moov", inner)
    looked(FILE_TYPE + inner)


def test_numbers_that_are_far_too_long() -> None:
    info = element(0x1549A966, element(0x2AD7B1, b"\xff" * 200))
    assert looked(segment(info)).remarks == [
        "it is damaged: it has a number that is too long"
    ]
