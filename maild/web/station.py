# SPDX-License-Identifier: Apache-2.0
"""The http listener: /metrics and /health, one small request per connection.

For monitoring on a trusted network: it knows GET, one path, and nothing else.  A
request is bounded in octets and time, and so is the number of them.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable
from typing import Final

from maild import metrics
from maild.listeners import listening
from maild.options import host_port
from maild.store import census
from maild.store.house import Store
from maild.web.settings import HttpSettings

_log = logging.getLogger("maild.web")

MAX_REQUEST: Final = 8 * 1024
"""Octets of request line and header fields."""
DEADLINE: Final = 10.0
"""Seconds for a whole request and its answer."""
CONNECTIONS: Final = 20
"""Requests at once; more are turned away."""

_REQUEST = re.compile(rb"(GET|HEAD) (/[!-~]*) HTTP/1\.[01]\r\n")


class WebStation:
    """Answers whoever watches this server."""

    def __init__(self, settings: HttpSettings, store: Store) -> None:
        self._settings = settings
        self._store = store
        self._open = 0

    async def run(self, started: Callable[[], None]) -> None:
        """Listen, say so, and answer until cancelled."""
        servers: list[asyncio.Server] = []
        try:
            for address in self._settings.listen:
                with listening(address):
                    servers.append(await self._listen(address))
            started()
            await asyncio.get_running_loop().create_future()
        finally:
            for server in servers:
                server.close()

    async def _listen(self, address: str) -> asyncio.Server:
        host, port = host_port(address)
        return await asyncio.start_server(self._converse, host, port, limit=MAX_REQUEST)

    async def _converse(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._open += 1
        try:
            async with asyncio.timeout(DEADLINE):
                writer.write(await self._answer(reader))
                await writer.drain()
        except (TimeoutError, OSError, EOFError):
            pass  # the watcher is slow or gone
        finally:
            self._open -= 1
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader) -> bytes:
        if self._open > CONNECTIONS:
            return _response(503, b"too many requests\n")
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError:
            return _response(431, b"the request is too long\n")
        request = _REQUEST.match(head)
        if request is None:
            return _response(400, b"not a request that is known here\n")
        answer = await self._page(request[2].partition(b"?")[0])
        if request[1] == b"HEAD":
            return answer[: answer.index(b"\r\n\r\n") + 4]
        return answer

    async def _page(self, path: bytes) -> bytes:
        if path not in (b"/metrics", b"/health"):
            return _response(404, b"there are /metrics and /health\n")
        try:
            counted = await self._store.index.read(census.count)
            free = await asyncio.to_thread(self._store.blobs.free_space)
        except Exception:  # noqa: BLE001 - whatever it is, this server is not well
            _log.exception("the store cannot be read")
            return _response(503, b"the store cannot be read\n")
        if path == b"/health":
            return _response(200, b"ok\n")
        return _response(
            200, metrics.page(counted, free), "text/plain; version=0.0.4; charset=utf-8"
        )


_REASON: Final = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    431: "Request Header Fields Too Large",
    503: "Service Unavailable",
}


def _response(
    status: int, body: bytes, media_type: str = "text/plain; charset=utf-8"
) -> bytes:
    head = (
        f"HTTP/1.1 {status} {_REASON[status]}\r\n"
        f"Content-Type: {media_type}\r\n"
        f"Content-Length: {len(body)}\r\n"
        "X-Content-Type-Options: nosniff\r\n"
        "Connection: close\r\n"
        "\r\n"
    )
    return head.encode() + body
