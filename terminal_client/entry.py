# SPDX-License-Identifier: GPL-3.0-only
"""The first thing that runs: Ctrl-C while everything else is loaded ends it quietly."""

from __future__ import annotations

INTERRUPTED = 130
"""Exit status, as a shell gives it to what SIGINT has ended."""


def main() -> int:
    """Run ``mshare`` and return its exit status."""
    try:
        from terminal_client.cli import main as run

        return run()
    except KeyboardInterrupt:
        return INTERRUPTED
