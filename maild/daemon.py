# SPDX-License-Identifier: Apache-2.0
"""What ``maild serve`` becomes: the daemon, without anything that only verbs need."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from maild import app, complaint, config


def main() -> int:
    """Serve by a configuration file, all stations or those named behind it."""
    file, *only = sys.argv[1:]
    try:
        app.serve(config.load(Path(file)), only)
    except Exception as error:  # noqa: BLE001 - told, or raised again
        return complaint.complain(error)
    return os.EX_OK


if __name__ == "__main__":
    sys.exit(main())
