# SPDX-License-Identifier: Apache-2.0
"""What an operator can set about time: table [queue]."""

from __future__ import annotations

from dataclasses import dataclass

from maild.options import not_negative, option


@dataclass(frozen=True, slots=True)
class QueueSettings:
    """[queue]  How long transfers and offers live."""

    lifetime: float = option(
        5 * 86400.0, "Seconds until a transfer is given up (RFC 5321 §4.5.4.1)."
    )
    delay_warning: float = option(
        4 * 3600.0,
        "Seconds until the sender is told of a delay; 0: never.",
        check=not_negative,
    )
    offer_lifetime: float = option(
        7 * 86400.0, "Seconds an offer waits for its answer."
    )
    keep_finished: float = option(
        30 * 86400.0, "Seconds a finished transfer stays in Transfers and in `trace`."
    )
