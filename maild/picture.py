# SPDX-License-Identifier: Apache-2.0
"""Decoding a foreign picture where it can do no harm: in a process of its own.

That process gets the octets and nothing else: no file, no environment, little memory,
few seconds.  Whatever a decoder is led to do there, it says yes, no, or dies.
"""

from __future__ import annotations

import asyncio
import io
import os
import resource
import sys
import warnings
from contextlib import suppress
from typing import Final

MEMORY: Final = 128 * 2**20
"""Octets of address space; Python and the decoder begin with about 30 MiB."""
SECONDS: Final = 2
"""Of processor time; a thumbnail takes a few milliseconds."""
PATIENCE: Final = 30.0
"""Seconds for all of it on a machine that is busy with other things."""
MOST_PIXELS: Final = 2**20
"""Pixels that are decoded; a thumbnail has far fewer (`maild.mail.thumbnail`)."""


async def can_be_shown(octets: bytes) -> bool:
    """Whether ``octets`` are a whole JPEG or PNG; False for whatever kills a decoder.

    OSError or TimeoutError when the machine was too busy to find out.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-B", "-m", "maild.picture"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        env={},
        cwd="/",
    )
    try:
        async with asyncio.timeout(PATIENCE):
            await process.communicate(octets)
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if process.returncode == os.EX_OSERR:
        raise OSError("the picture's process could not begin")
    return process.returncode == os.EX_OK


def judge(octets: bytes) -> int:
    """Decode a picture in this process, and return the status that tells of it."""
    try:
        from PIL import Image, MpoImagePlugin, TiffImagePlugin  # here only: large

        Image.preinit()
        _confine()
    except (ImportError, OSError, ValueError):
        return os.EX_OSERR
    del MpoImagePlugin, TiffImagePlugin  # what JPEG needs while no file can be opened
    warnings.simplefilter("error")
    Image.MAX_IMAGE_PIXELS = MOST_PIXELS // 2  # twice as many are an error
    try:
        with Image.open(io.BytesIO(octets), formats=("JPEG", "PNG")) as picture:
            if picture.width * picture.height > MOST_PIXELS:
                return os.EX_DATAERR
            picture.load()
    except Exception:  # noqa: BLE001 - whatever a decoder comes upon
        return os.EX_DATAERR
    return os.EX_OK


def _confine() -> None:
    """Leave this process what it needs to decode, and nothing more."""
    for limit, most in (
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_CPU, SECONDS),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, 0),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(limit, (most, most))


if __name__ == "__main__":
    os._exit(judge(sys.stdin.buffer.read()))
