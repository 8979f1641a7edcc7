# SPDX-License-Identifier: Apache-2.0
"""What ``maild serve`` becomes: the daemon, without anything that only verbs need."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Final

ENDING: Final = (signal.SIGTERM, signal.SIGINT)
"""What ends it cleanly.  Blocked by whoever starts it, until it can: `main`."""


def main() -> int:
    """Serve by a configuration file, all stations or those named behind it."""
    _end_at_once()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
    from maild import app, complaint, config  # takes a second: it can be ended by then

    file, *only = sys.argv[1:]
    try:
        app.serve(config.load(Path(file)), only)
    except Exception as error:  # noqa: BLE001 - told, or raised again
        return complaint.complain(error)
    finally:
        _end_at_once()  # the event loop, which is closed, had signals to itself
    return os.EX_OK


def _end_at_once() -> None:
    """End by a signal wherever it comes, without unwinding: nothing is under way."""

    def end(number: int, frame: FrameType | None) -> None:
        os._exit(os.EX_OK)

    for number in ENDING:
        signal.signal(number, end)


if __name__ == "__main__":
    sys.exit(main())
