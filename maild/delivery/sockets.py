# SPDX-License-Identifier: Apache-2.0
"""A TCP connection to exactly the address that was judged, or why there is none."""

from __future__ import annotations

import asyncio
import socket

from maild.delivery.route import Stop
from maild.mail.reply import Reply, ReplyError

PROBE_AFTER = 60
"""Seconds of silence after which the kernel looks whether the peer is still there: a
NAT forgets connections that say nothing for longer."""
PROBE_EVERY = 20
"""Seconds between two such looks."""
PROBES = 6
"""Looks without an answer after which the connection is lost."""


class UnreachableError(ReplyError):
    """The server did not answer: the way to it may be closed; always temporary."""


async def open_socket(stop: Stop, timeout: float) -> socket.socket:
    """Connect, within ``timeout`` seconds."""
    family = socket.AF_INET if stop.ip.version == 4 else socket.AF_INET6
    connection = socket.socket(family, socket.SOCK_STREAM)
    try:
        connection.setblocking(False)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, PROBE_AFTER)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, PROBE_EVERY)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, PROBES)
        async with asyncio.timeout(timeout):
            await asyncio.get_running_loop().sock_connect(
                connection, (str(stop.ip), stop.port)
            )
    except TimeoutError as error:
        connection.close()
        raise UnreachableError(
            Reply(451, "4.1", f"connection to {stop} timed out")
        ) from error
    except OSError as error:
        connection.close()
        raise UnreachableError(
            Reply(451, "4.1", f"connection to {stop} {_why(error)}")
        ) from error
    except BaseException:
        connection.close()
        raise
    return connection


def _why(error: OSError) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "refused"
    return f"failed: {(error.strerror or 'unreachable').lower()}"
