# SPDX-License-Identifier: Apache-2.0
"""The verbs on quota: GETQUOTA and GETQUOTAROOT (RFC 9208); there is one root, ``""``.

An account without a quota has no root: nothing limits it.
"""

from __future__ import annotations

from maild.imapd.mailboxes import find, take_name
from maild.imapd.outcome import Done
from maild.imapd.session import Session, Verb
from maild.store import quota
from maild.wire.imap_read import Command
from maild.wire.imap_write import NoError, encode_mailbox

UNIT = 1024
"""Octets of one unit of STORAGE (RFC 9208 §5.1)."""


async def getquota(session: Session, command: Command) -> Done:
    """GETQUOTA (RFC 9208 §4.1.1)."""
    cursor = command.cursor()
    root = cursor.astring()
    cursor.end()
    found = await _resources(session)
    if root or found is None:
        raise NoError("there is no such quota root", "NONEXISTENT")
    await session.untagged(found)
    return Done("that is all")


async def getquotaroot(session: Session, command: Command) -> Done:
    """GETQUOTAROOT (RFC 9208 §4.1.2)."""
    cursor = command.cursor()
    name = take_name(session, cursor)
    cursor.end()
    mailbox = await find(session, name)
    shown = b"QUOTAROOT " + encode_mailbox(mailbox.name, utf8=session.rev2)
    found = await _resources(session)
    if found is None:
        await session.untagged(shown)
    else:
        await session.untagged(shown + b' ""')
        await session.untagged(found)
    return Done("that is all")


async def _resources(session: Session) -> bytes | None:
    """Return the QUOTA answer (RFC 9208 §4.2.1); None when there is no limit."""
    use = await session.store.index.read(quota.use, session.owner.id)
    if use.quota is None:
        return None
    return b'QUOTA "" (STORAGE %d %d)' % (-(-use.octets // UNIT), use.quota // UNIT)


VERBS: dict[str, Verb] = {"GETQUOTA": getquota, "GETQUOTAROOT": getquotaroot}
