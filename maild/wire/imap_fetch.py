# SPDX-License-Identifier: Apache-2.0
"""How FETCH says what it wants (RFC 9051 §6.4.5, RFC 3501 §6.4.5, RFC 3516, RFC 7162).

`parse_fetch` turns what follows the sequence set into `FetchItems`.  Each item keeps
the label under which it is answered, so that a reply repeats the request's spelling of
the section and no more.
"""

from __future__ import annotations

from dataclasses import dataclass

from maild.wire.imap_cursor import BadError, Cursor
from maild.wire.imap_write import astring

MAX_FIELDS = 100
"""Field names in one HEADER.FIELDS; programs that exist ask for fewer than 30."""
MAX_ITEMS = 200
"""Items in one FETCH; bounds what one command can make us read again and again."""
MAX_DEPTH = 100
"""Numbers in one section part; deeper parts are never made (`maild.wire.mime`)."""


@dataclass(frozen=True, slots=True)
class Fact:
    """An item that is answered without looking at octets: FLAGS, UID, ENVELOPE, ..."""

    name: str


@dataclass(frozen=True, slots=True)
class Partial:
    """``<start.count>``: octets of the section, from offset ``start``."""

    start: int
    count: int


@dataclass(frozen=True, slots=True)
class Section:
    """``BODY[...]``, or one of its older spellings ``RFC822``, ``RFC822.TEXT``, ..."""

    part: tuple[int, ...]
    """Part numbers from 1 (RFC 9051 §6.4.5.1); empty for the message itself."""
    text: str
    """"", HEADER, HEADER.FIELDS, HEADER.FIELDS.NOT, TEXT or MIME."""
    fields: tuple[bytes, ...] = ()
    partial: Partial | None = None
    peek: bool = True
    label: str = ""
    """The name under which it is answered, without a partial's origin."""


@dataclass(frozen=True, slots=True)
class Binary:
    """``BINARY[part]``: the part without its transfer encoding (RFC 3516 §4.2)."""

    part: tuple[int, ...]
    partial: Partial | None = None
    peek: bool = True
    label: str = ""


@dataclass(frozen=True, slots=True)
class BinarySize:
    """``BINARY.SIZE[part]``: how many octets `Binary` would give (RFC 3516 §4.3)."""

    part: tuple[int, ...]
    label: str = ""


Item = Fact | Section | Binary | BinarySize


@dataclass(frozen=True, slots=True)
class FetchItems:
    """What a FETCH asks for."""

    items: tuple[Item, ...]
    changed_since: int | None = None
    """Only messages changed after this mod-sequence (RFC 7162 §3.1.4.1)."""
    vanished: bool = False
    """Also report what was expunged since (RFC 7162 §3.2.6)."""

    def names(self, fact: str) -> bool:
        """Whether the plain item ``fact`` is among them."""
        return Fact(fact) in self.items

    @property
    def sets_seen(self) -> bool:
        """Whether answering marks the message as seen."""
        return any(not getattr(item, "peek", True) for item in self.items)

    @property
    def needs_content(self) -> bool:
        """Whether more than what a mailbox lists is needed."""
        return any(
            not isinstance(item, Fact) or item.name in _OF_CONTENT
            for item in self.items
        )


_OF_CONTENT = frozenset({"ENVELOPE", "BODY", "BODYSTRUCTURE", "PREVIEW"})
_FAST = ("FLAGS", "INTERNALDATE", "RFC822.SIZE")
_MACROS = {
    "FAST": _FAST,
    "ALL": (*_FAST, "ENVELOPE"),
    "FULL": (*_FAST, "ENVELOPE", "BODY"),
}
_FACTS = frozenset(
    {*_FAST, "UID", "ENVELOPE", "BODY", "BODYSTRUCTURE", "MODSEQ", "EMAILID"}
    | {"THREADID", "PREVIEW"}
)
_RFC822 = {
    "RFC822": Section((), "", peek=False, label="RFC822"),
    "RFC822.HEADER": Section((), "HEADER", label="RFC822.HEADER"),
    "RFC822.TEXT": Section((), "TEXT", peek=False, label="RFC822.TEXT"),
}
_TEXTS = frozenset({"HEADER", "HEADER.FIELDS", "HEADER.FIELDS.NOT", "TEXT", "MIME"})


def parse_fetch(cursor: Cursor) -> FetchItems:
    """Take what follows the sequence set of FETCH, modifiers included, to the end."""
    items = _items(cursor)
    changed_since, vanished = None, False
    if not cursor.at_end:
        cursor.space()
        changed_since, vanished = _modifiers(cursor)
    if changed_since is not None and Fact("MODSEQ") not in items:
        items.append(Fact("MODSEQ"))  # RFC 7162 §3.1.4.1
    cursor.end()
    return FetchItems(tuple(dict.fromkeys(items)), changed_since, vanished)


def _items(cursor: Cursor) -> list[Item]:
    if cursor.peek() != b"(":
        word = cursor.keyword()
        if word in _MACROS:
            return [Fact(name) for name in _MACROS[word]]
        return [_item(cursor, word)]
    cursor.open_list()
    found: list[Item] = []
    while cursor.in_list(first=not found):
        found.append(_item(cursor, cursor.keyword()))
        if len(found) > MAX_ITEMS:
            raise BadError("too many items")
    if not found:
        raise BadError("an item is missing")
    return found


def _item(cursor: Cursor, word: str) -> Item:
    if cursor.peek() == b"[":
        return _bracketed(cursor, word)
    if word in _RFC822:
        return _RFC822[word]
    if word in _FACTS:
        if word == "PREVIEW" and cursor.accept(b" (LAZY"):
            cursor.expect(b")")  # RFC 8970 §3.2: we may answer at once
        return Fact(word)
    raise BadError(f"{word} is no item of FETCH")


def _bracketed(cursor: Cursor, word: str) -> Item:
    match word:
        case "BODY" | "BODY.PEEK":
            return _section(cursor, peek=word == "BODY.PEEK")
        case "BINARY" | "BINARY.PEEK":
            part = _only_part(cursor)
            label = f"BINARY[{_dotted(part)}]"
            return Binary(part, _partial(cursor), word == "BINARY.PEEK", label)
        case "BINARY.SIZE":
            part = _only_part(cursor)
            return BinarySize(part, f"BINARY.SIZE[{_dotted(part)}]")
        case _:
            raise BadError(f"{word} has no sections")


def parse_section(text: str) -> Section:
    """Read the section of a URL (RFC 5092 §11: as between the brackets of BODY[])."""
    cursor = Cursor(b"[" + text.encode() + b"]")
    section = _section(cursor, peek=True)
    cursor.end()
    return section


def _section(cursor: Cursor, *, peek: bool) -> Section:
    cursor.expect(b"[")
    part = _part(cursor)
    text = ""
    fields: tuple[bytes, ...] = ()
    if cursor.peek() != b"]":
        text = cursor.keyword()
        if text not in _TEXTS or (text == "MIME" and not part):
            raise BadError(f"{text} is no section")
        fields = _fields(cursor) if "FIELDS" in text else ()
    cursor.expect(b"]")
    named = ".".join(filter(None, (_dotted(part), text)))
    if fields:
        named += f" ({' '.join(astring(field).decode() for field in fields)})"
    return Section(part, text, fields, _partial(cursor), peek, f"BODY[{named}]")


def _only_part(cursor: Cursor) -> tuple[int, ...]:
    cursor.expect(b"[")
    part = _part(cursor)
    cursor.expect(b"]")
    return part


def _part(cursor: Cursor) -> tuple[int, ...]:
    """Take part numbers, and the dot behind them when a text follows."""
    found: list[int] = []
    while cursor.peek().isdigit():
        found.append(cursor.number())
        if found[-1] == 0 or len(found) > MAX_DEPTH:
            raise BadError("there is no such part")
        if not cursor.accept(b"."):
            break
        if cursor.peek() == b"]":
            raise BadError("a section is missing")
    return tuple(found)


def _fields(cursor: Cursor) -> tuple[bytes, ...]:
    cursor.space()
    cursor.open_list()
    found: list[bytes] = []
    while cursor.in_list(first=not found):
        found.append(cursor.astring())
        if len(found) > MAX_FIELDS or not found[-1].isascii():
            raise BadError("those are no field names")
    if not found:
        raise BadError("a field name is missing")
    return tuple(found)


def _partial(cursor: Cursor) -> Partial | None:
    if not cursor.accept(b"<"):
        return None
    start = cursor.number()
    cursor.expect(b".")
    count = cursor.number()
    cursor.expect(b">")
    if count == 0:
        raise BadError("a partial has at least one octet")
    return Partial(start, count)


def _modifiers(cursor: Cursor) -> tuple[int | None, bool]:
    """Take ``(CHANGEDSINCE n [VANISHED])`` (RFC 7162 §3.1.4.1, §3.2.6)."""
    cursor.open_list()
    changed_since, vanished, first = None, False, True
    while cursor.in_list(first=first):
        first = False
        match cursor.keyword():
            case "CHANGEDSINCE":
                cursor.space()
                changed_since = cursor.number()
            case "VANISHED":
                vanished = True
            case _:
                raise BadError("that is no modifier of FETCH")
    if vanished and changed_since is None:
        raise BadError("VANISHED needs CHANGEDSINCE")
    return changed_since, vanished


def _dotted(part: tuple[int, ...]) -> str:
    return ".".join(map(str, part))
