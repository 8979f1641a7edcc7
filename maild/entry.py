# SPDX-License-Identifier: Apache-2.0
"""The first thing that runs: Ctrl-C while everything else is loaded ends it quietly."""

from __future__ import annotations

INTERRUPTED = 130
"""Exit status, as a shell gives it to what SIGINT has ended."""


def main() -> int:
    """Run ``maild`` and return its exit status."""
    try:
        from maild.cli import main as run

        return run()
    except KeyboardInterrupt:
        return INTERRUPTED
