# SPDX-License-Identifier: GPL-3.0-only
"""A person's URI as something to look at: a QR code on the screen or in a picture."""

from __future__ import annotations

import io
import os
import stat
import sys
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from terminal_client import contact_uri, numbers
from terminal_client.contact_uri import UriError
from terminal_client.contacts import Contact, Contacts
from terminal_client.errors import (
    CannotCreateError,
    ContentError,
    LocalInputOutputError,
    NoInputError,
    UsageError,
)
from terminal_client.profile import Profile

if TYPE_CHECKING:
    import segno

LARGEST = 64 * 1024
"""Octets of a file in which a URI is looked for."""
SCALE = 8
"""Pixels, or units, of one module of a code."""
STDIN = "-"
_PICTURES = (b"\x89PNG", b"\xff\xd8", b"GIF8", b"RIFF")


def own(who: Profile) -> Contact:
    """Return whom others should know: address, name, and number if there is one."""
    known = Contacts(who.memory_file).by_address(who.address) or Contact(who.address)
    login = numbers.load(who)
    if login is None:
        return replace(known, number="", rendezvous="")
    number = login.address
    return replace(known, number=number.local, rendezvous=number.domain)


def facts(contact: Contact) -> dict[str, Any]:
    """Return what ``mshare me --json`` and the like print."""
    return {**contact.to_json(), "uri": contact_uri.write(contact)}


def draw(uri: str, screen: TextIO) -> None:
    """Draw a code with half blocks: white on black, whatever the terminal's colours."""
    try:
        "█▀▄".encode(screen.encoding or "utf-8")
    except UnicodeEncodeError:
        raise UsageError(
            f"a code cannot be drawn in {screen.encoding}; use --png FILE"
        ) from None
    code = io.StringIO()
    _code(uri).terminal(out=code, compact=True)
    begin, end = ("\x1b[97;40m", "\x1b[0m") if screen.isatty() else ("", "")
    screen.writelines(f"{begin}{line}{end}\n" for line in code.getvalue().splitlines())


def drawn(uri: str, kind: str) -> bytes:
    """Return a code as a picture, "svg" (which says the URI in words, too) or "png"."""
    picture = io.BytesIO()
    more = {"desc": uri} if kind == "svg" else {}
    _code(uri).save(picture, kind=kind, scale=SCALE, **more)
    return picture.getvalue()


def _code(uri: str) -> segno.QRCode:
    import segno  # not needed where nobody looks

    return segno.make_qr(uri, error="m")


def save(path: Path, octets: bytes, *, force: bool) -> None:
    """Write a picture; what is there is replaced only on demand."""
    try:
        with path.open("wb" if force else "xb") as file:
            file.write(octets)
    except FileExistsError:
        raise CannotCreateError(
            f"{path} is there already; use --force to replace it"
        ) from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise CannotCreateError(f"{path} cannot be written: {reason}") from error


def read(what: str) -> Contact:
    """Return whom a URI, or a file with one in it, names."""
    if what.lower().startswith(contact_uri.SCHEME):
        return _parsed(what)
    path = "standard input" if what == STDIN else str(Path(what).expanduser())
    octets = sys.stdin.buffer.read(LARGEST + 1) if what == STDIN else _octets(path)
    if len(octets) > LARGEST:
        raise ContentError(f"{path} is too large to be a card: over {LARGEST} octets")
    if octets.startswith(_PICTURES):
        raise ContentError(
            f"{path} is a picture, which is not read here: scan it with a camera and "
            "give the maild: text that it shows"
        )
    text = unescape(octets.decode(errors="replace"))
    found = set(contact_uri.FOUND.findall(text.replace("<", " ").replace('"', " ")))
    if len(found) != 1:
        many = "several maild: URIs" if found else "no maild: URI"
        raise ContentError(f"{path} has {many} in it; give one")
    return _parsed(found.pop())


def _parsed(text: str) -> Contact:
    try:
        return contact_uri.read(text)
    except UriError as error:
        raise ContentError(f"that is no address to remember: {error}") from None


def _octets(path: str) -> bytes:
    """Return what is in a file; a pipe that nobody writes to is not waited for."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(handle, "rb") as file:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise ContentError(f"{path} is no file; `mshare add -` reads a pipe")
            octets = file.read(LARGEST + 1)
    except FileNotFoundError:
        form = f"maild:{path}" if "@" in path else "maild:bob@b.example"
        raise NoInputError(
            f"{path} is neither a maild: URI nor a file; write {form}?name=NAME, as "
            "`mshare me` shows it there"
        ) from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise LocalInputOutputError(f"{path} cannot be read: {reason}") from error
    return octets
