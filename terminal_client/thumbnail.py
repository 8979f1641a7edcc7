# SPDX-License-Identifier: GPL-3.0-only
"""Makes the thumbnail of a picture, in a process of its own (seed 207).

A picture may be anybody's, and made to harm whoever opens it: that process gets the
file open for reading and nothing else, little memory and few seconds.  Only pixels come
out of it: no place, no camera, no name.
"""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from itertools import product
from typing import TYPE_CHECKING, BinaryIO, Final

from maild.mail.thumbnail import MOST_OCTETS, is_one
from terminal_client.confining import confine

if TYPE_CHECKING:
    from PIL.Image import Image

MEMORY: Final = 1024 * 2**20
"""Octets of address space: a photograph of 100 megapixels needs 300 MiB."""
SECONDS: Final = 5
"""Of processor time; a photograph takes a tenth."""
PATIENCE: Final = 10.0
"""Seconds in all: nobody waits longer for a small picture."""
MOST_PIXELS: Final = 100 * 10**6
"""Pixels that are decoded; a JPEG is decoded at a fraction of its size."""
SIDES: Final = (256, 160, 96)
"""Pixels of the thumbnail's longer side: the first at which it is small enough."""
FORMATS: Final = ("JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP", "AVIF")
"""What is opened; of an animation or a document of pages only the first."""
_QUALITIES: Final = (85, 70, 55, 40, 25)


def make(file: BinaryIO, media_type: str) -> bytes | None:
    """Return the thumbnail of an open file, or None: then there is none.  Blocks."""
    if not media_type.startswith("image/"):
        return None
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-B", "-m", "terminal_client.thumbnail"],
            stdin=file,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={},
            timeout=PATIENCE,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    if done.returncode != os.EX_OK or not is_one(done.stdout):
        return None
    return done.stdout


def draw() -> bytes:
    """Return the thumbnail of the picture on stdin, in a process that is confined."""
    import copy  # as decoders do, when files cannot be opened any more

    from PIL import Image, ImageOps, ImagePalette  # large, and for this process only

    del copy, ImagePalette
    Image.init()
    confine(memory=MEMORY, seconds=SECONDS)
    warnings.simplefilter("error")
    Image.MAX_IMAGE_PIXELS = None  # counted below, once a JPEG has been made smaller
    os.lseek(0, 0, os.SEEK_SET)
    with (
        os.fdopen(0, "rb", closefd=False) as file,
        Image.open(file, formats=[f for f in FORMATS if f in Image.OPEN]) as picture,
    ):
        picture.draft("RGB", (2 * SIDES[0], 2 * SIDES[0]))
        if picture.width * picture.height > MOST_PIXELS:
            raise ValueError("too many pixels")
        shown = picture.convert("RGBA") if picture.mode in ("1", "P", "PA") else picture
        shown.thumbnail((SIDES[0], SIDES[0]))
        return _small(ImageOps.exif_transpose(shown))


def _small(picture: Image) -> bytes:
    """Return a JPEG of at most 10 KiB; what was transparent is white."""
    import io

    from PIL import Image

    flat = Image.new("RGB", picture.size, "white")
    shown = picture.convert("RGBA")
    flat.paste(shown, mask=shown.getchannel("A"))
    for side, quality in product(SIDES, _QUALITIES):
        out = io.BytesIO()
        flat.thumbnail((side, side))
        flat.save(out, "JPEG", quality=quality, optimize=True)
        if out.tell() <= MOST_OCTETS:
            return out.getvalue()
    raise ValueError("it does not become small enough")


if __name__ == "__main__":
    sys.stdout.buffer.write(draw())
