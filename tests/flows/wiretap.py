# SPDX-License-Identifier: Apache-2.0
"""Who has a server's key and sits in front of it: all that TLS hides, in clear."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from tests.flows.programs import Programs


@dataclass
class Wiretap:
    """What the clients of a listener said, and what they heard, connection by one."""

    port: int = 0
    said: list[bytearray] = field(default_factory=list)
    heard: list[bytearray] = field(default_factory=list)

    @property
    def everything(self) -> bytes:
        """All of it."""
        return b"\n".join([*self.said, *self.heard])


@asynccontextmanager
async def tapped(
    programs: Programs, server: str, listener: str
) -> AsyncIterator[Wiretap]:
    """Decrypt what clients of one listener say, and pass it on."""
    tap = Wiretap()
    folder = programs.folder / server
    ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ours.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    target = programs.port(server, listener)

    async def join(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(
            "localhost", target, ssl=programs.tls
        )
        said, heard = bytearray(), bytearray()
        tap.said.append(said)
        tap.heard.append(heard)
        with suppress(OSError):
            await asyncio.gather(_copy(reader, back, said), _copy(there, writer, heard))

    served = await asyncio.start_server(join, "127.0.0.1", 0, ssl=ours)
    tap.port = served.sockets[0].getsockname()[1]
    try:
        yield tap
    finally:
        served.close()


async def _copy(
    source: asyncio.StreamReader, sink: asyncio.StreamWriter, kept: bytearray
) -> None:
    try:
        while octets := await source.read(65536):
            kept += octets
            sink.write(octets)
            await sink.drain()
    finally:
        sink.close()
