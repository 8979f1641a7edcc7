# SPDX-License-Identifier: Apache-2.0
"""How a log record becomes lines on stderr: ``maild/delivery[pid]: ...`` as Postfix's.

The journal adds time and host.  A traceback follows its line with the same tag, so
that a search by program finds it whole.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping
from typing import Final, TextIO

_SAID: Final = {
    logging.WARNING: "warning: ",
    logging.ERROR: "error: ",
    logging.CRITICAL: "fatal: ",
}
_PRIORITY: Final = {
    logging.DEBUG: 7,
    logging.INFO: 6,
    logging.WARNING: 4,
    logging.ERROR: 3,
    logging.CRITICAL: 2,
}
"""syslog(3) priorities."""


class PostfixLines(logging.Formatter):
    """Tags a record with its program; ``journal`` adds the priority (sd-daemon(3))."""

    def __init__(self, *, journal: bool = False) -> None:
        super().__init__()
        self._journal = journal
        self._pid = os.getpid()

    def format(self, record: logging.LogRecord) -> str:
        """Return one line, and a line for each line of a traceback."""
        priority = f"<{_PRIORITY.get(record.levelno, 6)}>" if self._journal else ""
        tag = f"{priority}{program(record.name)}[{self._pid}]: "
        text = _SAID.get(record.levelno, "") + super().format(record)
        return "\n".join(tag + line for line in text.splitlines() or [""])


def program(name: str) -> str:
    """Return the program tag of a logger: ``maild.smtpd.session`` is maild/smtpd."""
    first, _, rest = name.partition(".")
    if first != "maild":
        return f"maild/{first}"
    station = rest.partition(".")[0]
    return f"maild/{station}" if station else "maild"


def write_to_stderr(environment: Mapping[str, str] = os.environ) -> None:
    """Send every record there; libraries speak from WARNING upwards only."""
    output = logging.StreamHandler(sys.stderr)
    journal = _is_journal(sys.stderr, environment.get("JOURNAL_STREAM", ""))
    output.setFormatter(PostfixLines(journal=journal))
    logging.basicConfig(level=logging.WARNING, handlers=[output], force=True)
    logging.getLogger("maild").setLevel(logging.INFO)


def _is_journal(stream: TextIO, announced: str) -> bool:
    """Whether ``stream`` is the one that JOURNAL_STREAM names (device:inode)."""
    try:
        found = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return announced == f"{found.st_dev}:{found.st_ino}"
