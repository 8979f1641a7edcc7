# SPDX-License-Identifier: GPL-3.0-only
"""Decodes one image of a stranger: a process of its own, with little of anything.

``python -m terminal_client.looking.decoder WIDTH HEIGHT`` reads an image file on stdin
and writes ``width height``, a line end and its pixels (RGB) to stdout, small enough.
"""

from __future__ import annotations

import copy
import io
import sys
import warnings
from typing import IO

from PIL import Image, ImagePalette

from terminal_client.confining import confine

LOADED = (copy, ImagePalette)
"""What decoders import when they need it first."""
FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP")
"""What is decoded; the more formats, the more there is to attack."""
MEMORY = 512 << 20
"""Octets of address space, the interpreter's included."""
PROCESSOR = 5
"""Seconds of CPU."""
PIXELS = 50_000_000
"""Pixels that are decoded at most: 150 MB."""
OCTETS = 1 << 20
"""Octets of an image file at most."""
GROUND = (16, 16, 16)
"""What shines through where an image is transparent."""


def decode(source: IO[bytes], width: int, height: int) -> tuple[int, int, bytes]:
    """Return width, height and RGB octets of an image that fits."""
    octets = source.read(OCTETS + 1)
    if len(octets) > OCTETS:
        raise ValueError("the image file is too large")
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a bomb is a warning first
        Image.MAX_IMAGE_PIXELS = PIXELS
        with Image.open(io.BytesIO(octets), formats=FORMATS) as image:
            image.draft("RGB", (width, height))
            image.thumbnail((width, height))
            small = image.convert("RGBA")
    ground = Image.new("RGBA", small.size, (*GROUND, 255))
    flat = Image.alpha_composite(ground, small).convert("RGB")
    return flat.width, flat.height, flat.tobytes()


def main() -> int:
    """Decode what stands on stdin."""
    Image.init()  # no file can be opened any more: what decoders load later is here
    confine(memory=MEMORY, seconds=PROCESSOR)
    try:
        width, height, octets = decode(sys.stdin.buffer, *map(int, sys.argv[1:3]))
    except Exception:  # noqa: BLE001 # whatever it is: no picture, and nothing to say
        return 1
    sys.stdout.buffer.write(b"%d %d\n" % (width, height) + octets)
    sys.stdout.buffer.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
