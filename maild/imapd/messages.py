# SPDX-License-Identifier: Apache-2.0
"""The verbs on messages of the selected mailbox: FETCH, SEARCH, COPY, EXPUNGE, ..."""

from __future__ import annotations

from collections.abc import Sequence

from maild import delivery_log, ids
from maild.imapd.fetch import run_fetch
from maild.imapd.flags import demand_writable, store
from maild.imapd.mailboxes import take_name
from maild.imapd.outcome import Done
from maild.imapd.replace import without_literal
from maild.imapd.search import run_search
from maild.imapd.session import Session, Verb
from maild.store import meaning
from maild.store.meaning import CannotError, Carried, Errand, Fresh, NoMailboxError
from maild.store.messages import Line
from maild.wire.imap_cursor import BadError
from maild.wire.imap_fetch import parse_fetch
from maild.wire.imap_numbers import compact
from maild.wire.imap_order import WITH_UID
from maild.wire.imap_read import Command
from maild.wire.imap_search import Query, parse_search
from maild.wire.imap_write import NoError, number_list


async def uid_command(session: Session, command: Command) -> Done:
    """UID FETCH, STORE, SEARCH, COPY, MOVE, EXPUNGE, REPLACE (RFC 9051 §6.4.9)."""
    cursor = command.cursor()
    verb = cursor.keyword()
    if verb not in WITH_UID:
        raise BadError("that command takes no UIDs")
    cursor.space()
    inner = Command(command.tag, verb, cursor.rest)
    match verb:
        case "FETCH":
            return await fetch(session, inner, uid=True)
        case "SEARCH":
            return await search(session, inner, uid=True)
        case "STORE":
            return await store(session, inner, uid=True)
        case "EXPUNGE":
            return await uid_expunge(session, inner)
        case "REPLACE":
            return await without_literal(session, inner, uid=True)
        case _:
            return await carry(session, inner, uid=True)


async def fetch(session: Session, command: Command, *, uid: bool = False) -> Done:
    """FETCH (RFC 9051 §6.4.5); `maild.imapd.fetch` answers it."""
    cursor = command.cursor()
    view = session.view
    lines = view.numbered(view.uids_of(cursor.sequence_set(), uid=uid))
    cursor.space()
    items = parse_fetch(cursor)
    since = items.changed_since
    if since is not None:
        session.enabled.add("CONDSTORE")
        lines = [pair for pair in lines if pair[1].mod_seq > since]
    if items.names("MODSEQ"):
        session.enabled.add("CONDSTORE")
    changed = await run_fetch(
        session,
        session.store,
        lines,
        items,
        uid=uid,
        rev2=session.rev2,
        read_only=view.read_only,
        mailbox_id=view.mailbox.id,
        condstore=session.condstore,
        tag=command.tag,
    )
    view.put(changed)
    return Done("fetched")


async def search(session: Session, command: Command, *, uid: bool = False) -> Done:
    """SEARCH (RFC 9051 §6.4.4); `maild.imapd.search` finds."""
    view = session.view
    cursor = command.cursor()
    query = parse_search(cursor)
    lines = view.numbered(view.uids)
    found = await run_search(session.store, lines, query, saved=view.saved)
    if query.mod_seq:
        session.enabled.add("CONDSTORE")
    if query.returns is not None and "SAVE" in query.returns:
        view.saved = _saved(found, query.returns)
    numbers = [line.uid if uid else number for number, line in found]
    await _tell_found(session, command.tag, query, found, numbers, uid=uid)
    return Done("searched")


def _saved(
    found: Sequence[tuple[int, Line]], returns: frozenset[str]
) -> tuple[int, ...]:
    """Return the UIDs that ``$`` stands for from now on (RFC 5182 §2.4)."""
    uids = [line.uid for _, line in found]
    if returns & {"ALL", "COUNT"} or not returns & {"MIN", "MAX"}:
        return tuple(uids)
    ends = set(uids[:1] if "MIN" in returns else [])
    ends.update(uids[-1:] if "MAX" in returns else [])
    return tuple(sorted(ends))


async def _tell_found(
    session: Session,
    tag: str,
    query: Query,
    found: Sequence[tuple[int, Line]],
    numbers: Sequence[int],
    *,
    uid: bool,
) -> None:
    """Send the result as SEARCH, or as ESEARCH where RETURN (or rev2) asks for it."""
    highest = max((line.mod_seq for _, line in found), default=0)
    returns = query.returns
    if returns is None and not session.rev2:
        told = b" ".join(filter(None, [b"SEARCH", number_list(numbers)]))
        if query.mod_seq and found:
            told += b" (MODSEQ %d)" % highest
        await session.untagged(told)
        return
    returns = frozenset({"ALL"}) if returns is None else returns
    parts = [f'ESEARCH (TAG "{tag}")', *(["UID"] if uid else [])]
    if numbers and "MIN" in returns:
        parts.append(f"MIN {numbers[0]}")
    if numbers and "MAX" in returns:
        parts.append(f"MAX {numbers[-1]}")
    if numbers and "ALL" in returns:
        parts.append(f"ALL {compact(numbers)}")
    if "COUNT" in returns:
        parts.append(f"COUNT {len(numbers)}")
    if query.mod_seq and found:
        parts.append(f"MODSEQ {highest}")
    if returns != {"SAVE"}:
        await session.untagged(" ".join(parts).encode())


async def carry(session: Session, command: Command, *, uid: bool = False) -> Done:
    """COPY and MOVE (RFC 9051 §6.4.7, §6.4.8), with what arriving there means."""
    cursor = command.cursor()
    view = session.view
    uids = view.uids_of(cursor.sequence_set(), uid=uid)
    cursor.space()
    target = take_name(session, cursor)
    cursor.end()
    move = command.verb == "MOVE"
    if move:
        demand_writable(session)
    if not uids:
        return Done("there was nothing to do")
    errand = Errand(
        account_id=session.owner.id,
        source=view.mailbox,
        uids=uids,
        target=target,
        fresh=[Fresh(ids.queue_id(), ids.nonce()) for _ in uids],
        lifetimes=session.house.lifetimes,
        move=move,
    )
    carried = await _carried(session, errand)
    for decided in carried.answered:
        delivery_log.address_answered(
            decided.id,
            sender=str(decided.sender),
            to=str(decided.recipient),
            accepted=decided.accepted,
            trace=decided.trace,
        )
    code = _copyuid(carried)
    if move and code:
        await session.status("*", "OK", "moved", code)
        code = ""
    return Done("moved" if move else "copied", code)


async def _carried(session: Session, errand: Errand) -> Carried:
    try:
        return await session.store.index.write(
            meaning.carry, errand, session.store.clock()
        )
    except CannotError as error:
        raise NoError(str(error), "CANNOT") from error
    except NoMailboxError:
        raise NoError("there is no such mailbox", "TRYCREATE") from None


def _copyuid(carried: Carried) -> str:
    """Return the COPYUID code (RFC 4315 §3); "" when nothing was there to copy."""
    if not carried.pairs:
        return ""
    old = compact(pair[0] for pair in carried.pairs)
    new = compact(pair[1] for pair in carried.pairs)
    return f"COPYUID {carried.uid_validity} {old} {new}"


async def expunge(session: Session, command: Command) -> Done:
    r"""EXPUNGE (RFC 9051 §6.4.3): what is \Deleted goes, and what it stands for."""
    command.cursor().end()
    await _expunge(session, session.view.uids)
    return Done("expunged")


async def uid_expunge(session: Session, command: Command) -> Done:
    """UID EXPUNGE (RFC 4315 §2.1)."""
    cursor = command.cursor()
    uids = session.view.uids_of(cursor.sequence_set(), uid=True)
    cursor.end()
    await _expunge(session, uids)
    return Done("expunged")


async def close(session: Session, command: Command) -> Done:
    """CLOSE (RFC 9051 §6.4.1): expunge without telling, then unselect."""
    command.cursor().end()
    if not session.view.read_only:
        await _expunge(session, session.view.uids)
    session.selected = None
    return Done("closed")


async def _expunge(session: Session, uids: Sequence[int]) -> None:
    demand_writable(session)
    await session.store.index.write(
        meaning.expunge_deleted, session.view.mailbox, uids, session.store.clock()
    )


VERBS: dict[str, Verb] = {
    "FETCH": fetch,
    "SEARCH": search,
    "STORE": store,
    "COPY": carry,
    "MOVE": carry,
    "UID": uid_command,
    "EXPUNGE": expunge,
    "CLOSE": close,
}
