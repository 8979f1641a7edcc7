# SPDX-License-Identifier: Apache-2.0
"""Messages that a client puts together from octets and URLs (RFC 4469)."""

from __future__ import annotations

from tests.unit.imapd.live import Client, Live

HEAD = (
    b"Subject: film.mov\r\nContent-Type: application/octet-stream\r\n"
    b"Content-Transfer-Encoding: binary\r\n"
    b'Content-Disposition: attachment; filename="film.mov"\r\n\r\n'
)
MAIL = b"Subject: one\r\nContent-Type: text/plain\r\n\r\nThe first line.\r\n"


async def bring(client: Client, command: str, *parts: bytes | str) -> bytes:
    """Send a message in parts, octets or URLs; return the tagged answer."""
    client._count += 1
    tag = b"t%d " % client._count
    client.send(tag + command.encode() + b" CATENATE (")
    for number, part in enumerate(parts):
        space = b" " if number else b""
        if isinstance(part, str):
            client.send(space + b'URL "' + part.encode() + b'"')
            continue
        client.send(space + b"TEXT ~{%d}\r\n" % len(part))
        lines = [await client.line()]
        while lines[-1].startswith(b"* "):
            lines.append(await client.line())
        if not lines[-1].startswith(b"+"):
            return lines[-1].removeprefix(tag)
        client.send(part)
    client.send(b")\r\n")
    client.told = await client.until(tag)  # type: ignore[attr-defined] # for one test
    return client.told[-1].removeprefix(tag)  # type: ignore[attr-defined,no-any-return] # as above


async def content(client: Client, uid: int, section: str = "1") -> bytes:
    """Return a part of a message in the selected mailbox, as it is decoded."""
    client.send(b"f UID FETCH %d BINARY.PEEK[%b]\r\n" % (uid, section.encode()))
    head = await client.line()
    size = int(head.rpartition(b"{")[2].rstrip(b"}"))
    octets = await client.reader.readexactly(size)
    await client.until(b"f ")
    return octets


async def url(station: Live, mailbox: str, uid: int, rest: str = "/;SECTION=1") -> str:
    validity = (await station.mailbox(mailbox)).uid_validity
    return f"/{mailbox};UIDVALIDITY={validity}/;UID={uid}{rest}"
