# SPDX-License-Identifier: Apache-2.0
"""Which IMAP command is allowed when, as a table (RFC 9051 §3, §6)."""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """Where a session stands (RFC 9051 §3)."""

    NOT_AUTHENTICATED = "not authenticated"
    AUTHENTICATED = "authenticated"
    SELECTED = "selected"


_ANY = frozenset(State)
_NOBODY = frozenset({State.NOT_AUTHENTICATED})
_SOMEBODY = frozenset({State.AUTHENTICATED, State.SELECTED})
_SELECTED = frozenset({State.SELECTED})

ALLOWED: dict[str, frozenset[State]] = {
    **dict.fromkeys(("CAPABILITY", "NOOP", "LOGOUT", "ID"), _ANY),
    **dict.fromkeys(("STARTTLS", "AUTHENTICATE", "LOGIN"), _NOBODY),
    **dict.fromkeys(("SELECT", "EXAMINE", "CREATE", "DELETE", "RENAME"), _SOMEBODY),
    **dict.fromkeys(("SUBSCRIBE", "UNSUBSCRIBE", "LIST", "LSUB"), _SOMEBODY),
    **dict.fromkeys(("NAMESPACE", "STATUS", "APPEND", "IDLE"), _SOMEBODY),
    **dict.fromkeys(("GETMETADATA", "SETMETADATA"), _SOMEBODY),
    **dict.fromkeys(("GETQUOTA", "GETQUOTAROOT"), _SOMEBODY),
    "ENABLE": frozenset({State.AUTHENTICATED}),
    **dict.fromkeys(("CLOSE", "UNSELECT", "EXPUNGE", "CHECK"), _SELECTED),
    **dict.fromkeys(("SEARCH", "FETCH", "STORE", "COPY", "MOVE", "UID"), _SELECTED),
    "REPLACE": _SELECTED,
}
"""In which states each command makes sense."""

NUMBERED = frozenset({"FETCH", "STORE", "SEARCH"})
"""Commands by message number: no EXPUNGE may shift the numbers (RFC 9051 §7.5.1)."""

WITH_UID = frozenset({"FETCH", "STORE", "SEARCH", "COPY", "MOVE", "EXPUNGE", "REPLACE"})
"""Commands that UID may stand before (RFC 9051 §6.4.9, RFC 8508 §3.3)."""


def refusal(verb: str, state: State) -> str | None:
    """Return why ``verb`` cannot be carried out in ``state``, or None."""
    states = ALLOWED.get(verb)
    if states is None:
        return "that command is not known here"
    if state not in states:
        return f"not while {state}"
    return None
