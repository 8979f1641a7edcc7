# SPDX-License-Identifier: Apache-2.0
"""The cheapest SMTP client there is: a blocking socket and a line reader."""

from __future__ import annotations

import socket
import ssl
from types import TracebackType


class Dialogue:
    """One connection to a server on loopback."""

    def __init__(self, port: int) -> None:
        self.socket: socket.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._lines = self.socket.makefile("rb")
        self.expect(220)

    def __enter__(self) -> Dialogue:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._lines.close()
        self.socket.close()

    def start_tls(self, context: ssl.SSLContext) -> None:
        """Begin TLS (RFC 3207)."""
        self.ask("STARTTLS", 220)
        self.socket = context.wrap_socket(self.socket, server_hostname="localhost")
        self._lines = self.socket.makefile("rb")

    def send(self, *lines: str) -> None:
        """Send commands without waiting."""
        self.socket.sendall("".join(f"{line}\r\n" for line in lines).encode())

    def expect(self, code: int) -> str:
        """Take one reply, which has to be ``code``; return its last line."""
        while True:
            line = self._lines.readline().decode()
            if not line.startswith(f"{code}"):
                raise AssertionError(f"{code} was expected, not {line!r}")
            if line[3:4] != "-":
                return line

    def ask(self, command: str, code: int) -> str:
        """Send one command and take its reply."""
        self.send(command)
        return self.expect(code)
