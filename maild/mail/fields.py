# SPDX-License-Identifier: Apache-2.0
"""How header fields are read: parameters, address lists, the ENVELOPE of a message.

Foreign fields are often wrong; nothing here fails on one, and nothing takes more than
linear time: counts are bounded, the rest is left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import unquote_to_bytes

MAX_ADDRESSES = 1000
"""Addresses of one field that an ENVELOPE lists (CVE-2024-23184: 100,000 of them)."""
MAX_PARAMETERS = 256
"""Parameters of one field, RFC 2231 segments included (CVE-2026-27859)."""
MAX_PARAMETER_FIELD = 64 * 1024
"""Octets of a field that are searched for parameters; a long name takes 14 KiB."""
MAX_COMMENT_DEPTH = 50
"""Parentheses in parentheses; deeper ones are text."""

Params = tuple[tuple[str, str], ...]
Mailbox = tuple[str | None, str | None, str | None, str | None]

_CHARSETS = re.compile(
    r"utf-?8|us-ascii|iso-8859-\d{1,2}|windows-12\d\d|cp\d{3,4}|koi8-[ru]|shift_jis|"
    r"iso-2022-jp|euc-(?:jp|kr)|gb18030|gbk|gb2312|big5",
    re.IGNORECASE,
)
"""Character sets a parameter may name: decoders known to take linear time."""
_PARAMETER = re.compile(
    r';\s*([^\s=;"]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"?|([^;"]*))', re.DOTALL
)
_QUOTED_OR_COMMENT = re.compile(r'"(?:[^"\\]|\\.)*"?|\(', re.DOTALL)
_COMMENT_MARK = re.compile(r"\\.|[()]", re.DOTALL)
_SEGMENT = re.compile(r"([^*]+)(?:\*(\d{1,4}))?(\*)?")
_LEXEME = re.compile(
    r'(?P<space>\s+)|"(?P<quoted>(?:[^"\\]|\\.)*)"?|(?P<comment>\()|'
    r"(?P<special>[<>,;:@])|(?P<atom>\[[^\]]*\]?|[^\s\"(<>,;:@\[]+)",
    re.DOTALL,
)


def unfold(octets: bytes) -> str:
    """Return a field's body as text on one line (RFC 5322 §2.2.3), UTF-8 where it is.

    Line ends vanish, other control characters become blanks: the text may be shown.
    """
    text = octets.replace(b"\r\n", b"").decode("utf-8", "replace")
    if not text.isprintable():
        text = re.sub(r"[\x00-\x1f\x7f]", " ", text)
    return text.strip(" ")


def parameters(text: str) -> tuple[str, Params]:
    """Return (value in lower case, parameters) of a field such as Content-Type."""
    text = _without_comments(text[:MAX_PARAMETER_FIELD])
    value = text.split(";", 1)[0].strip().lower()
    plain: dict[str, str] = {}
    parts: dict[str, dict[int, tuple[bool, str]]] = {}
    for count, found in enumerate(
        _PARAMETER.finditer(text, len(text.split(";", 1)[0]))
    ):
        if count == MAX_PARAMETERS:
            break
        key, quoted, bare = found[1].lower(), found[2], found[3]
        content = bare.strip() if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
        split = _SEGMENT.fullmatch(key)
        if split is None or "*" not in key:
            plain.setdefault(key, content)
        else:
            numbered = parts.setdefault(split[1], {})
            numbered.setdefault(int(split[2] or 0), (bool(split[3]), content))
    for key, numbered in parts.items():
        plain[key] = _joined(numbered)
    return value, tuple(plain.items())


def _joined(numbered: dict[int, tuple[bool, str]]) -> str:
    """Return the text of the RFC 2231 segments 0, 1, 2.. up to the first gap."""
    pieces: list[bytes] = []
    charset = "utf-8"
    for number in range(len(numbered)):
        if number not in numbered:
            break
        encoded, text = numbered[number]
        if number == 0 and encoded and text.count("'") >= 2:
            charset, _, text = text.split("'", 2)
        octets = text.encode("utf-8", "replace")
        pieces.append(unquote_to_bytes(octets) if encoded else octets)
    if not _CHARSETS.fullmatch(charset):
        charset = "utf-8"
    try:
        decoded = b"".join(pieces).decode(charset, "replace")
    except LookupError:  # iso-8859-99
        decoded = b"".join(pieces).decode("utf-8", "replace")
    return re.sub(r"[\x00-\x1f\x7f]", " ", decoded)


def _without_comments(text: str) -> str:
    """Return ``text`` less its comments (RFC 5322 §3.2.2) outside quoted strings."""
    if "(" not in text:
        return text
    kept: list[str] = []
    at = 0
    while (found := _QUOTED_OR_COMMENT.search(text, at)) is not None:
        if found[0] == "(":
            kept.append(text[at : found.start()])
            at, _ = _comment(text, found.end())
        else:
            kept.append(text[at : found.end()])
            at = found.end()
    return "".join([*kept, text[at:]])


def _comment(text: str, at: int) -> tuple[int, str]:
    """Return (where the comment that begins before ``at`` ends, its text)."""
    start, depth = at, 1
    for found in _COMMENT_MARK.finditer(text, at):
        if found[0] == "(" and depth < MAX_COMMENT_DEPTH:
            depth += 1
        elif found[0] == ")":
            depth -= 1
        if depth == 0:
            return found.end(), text[start : found.start()]
    return len(text), text[start:]


def addresses(text: str | None) -> tuple[Mailbox, ...] | None:
    """Return an address list as an ENVELOPE has it, or None when there is none.

    Each is (name, route, mailbox, host); a group begins with (None, None, name, None)
    and ends with four None (RFC 9051 §7.5.2).
    """
    if text is None:
        return None
    found: list[Mailbox] = []
    in_group = False
    for words, end in _entries(text):
        if end == ":" and not in_group:
            found.append((None, None, " ".join(t for _, t in words), None))
            in_group = True
            continue
        if words:
            found.append(_mailbox(words))
        if end == ";" and in_group:
            found.append((None, None, None, None))
            in_group = False
        if len(found) >= MAX_ADDRESSES:
            break
    if in_group:
        found.append((None, None, None, None))
    return tuple(found) or None


Words = list[tuple[str, str]]


def _entries(text: str) -> Iterator[tuple[Words, str]]:
    """Yield (words of one entry, the special that ends it)."""
    words: Words = []
    angle = False
    for kind, word in _lexemes(text):
        if kind == "special" and word in ",;:" and not angle:
            yield words, word
            words = []
            continue
        if kind == "special" and word in "<>":
            angle = word == "<"
        words.append((kind, word))
    yield words, ""


def _lexemes(text: str) -> Iterator[tuple[str, str]]:
    at = 0
    while at < len(text):
        found = _LEXEME.match(text, at)
        if found is None:
            at += 1
            continue
        at = found.end()
        kind = found.lastgroup or "quoted"
        if kind == "comment":
            at, word = _comment(text, at)
            yield kind, word
        elif kind == "quoted":
            yield kind, re.sub(r"\\(.)", r"\1", found["quoted"])
        elif kind != "space":
            yield kind, found[0]


def _mailbox(words: Words) -> Mailbox:
    specials = [word if kind == "special" else "" for kind, word in words]
    if "<" in specials:
        angle = specials.index("<")
        name = " ".join(t for k, t in words[:angle] if k != "comment") or None
        stop = specials.index(">", angle) if ">" in specials[angle:] else len(words)
        inside = [w for w in words[angle + 1 : stop] if w[0] != "comment"]
    else:
        comments = [t for k, t in words if k == "comment"]
        name = comments[-1] if comments else None
        inside = [w for w in words if w[0] != "comment"]
    route = None
    if inside and inside[0] == ("special", "@") and ("special", ":") in inside:
        colon = inside.index(("special", ":"))
        route = "".join(t for _, t in inside[:colon])
        inside = inside[colon + 1 :]
    if ("special", "@") not in inside:
        return name, route, "".join(t for _, t in inside), ""
    last = len(inside) - 1 - inside[::-1].index(("special", "@"))
    local = "".join(t for _, t in inside[:last])
    return name, route, local, "".join(t for _, t in inside[last + 1 :])


def envelope(get: Callable[[str], str | None]) -> tuple[Any, ...]:
    """Return the ENVELOPE (RFC 9051 §7.5.2) of the header that ``get`` looks into."""
    sender = addresses(get("From"))
    return (
        get("Date"),
        get("Subject"),
        sender,
        addresses(get("Sender")) or sender,
        addresses(get("Reply-To")) or sender,
        addresses(get("To")),
        addresses(get("Cc")),
        addresses(get("Bcc")),
        get("In-Reply-To"),
        get("Message-ID"),
    )
