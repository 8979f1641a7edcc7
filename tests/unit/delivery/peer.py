# SPDX-License-Identifier: Apache-2.0
"""A server on loopback that does what a test says, and counts what it is sent."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import re
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

OURS = (
    "PIPELINING",
    "SIZE 1000000000",
    "8BITMIME",
    "SMTPUTF8",
    "CHUNKING",
    "BINARYMIME",
    "CHECKPOINT",
)
POSTFIX = ("PIPELINING", "SIZE 10240000", "8BITMIME", "ENHANCEDSTATUSCODES")
EXIM = ("PIPELINING", "SIZE 52428800", "8BITMIME", "CHUNKING")

Answer = str | None
"""A reply line; None drops the connection."""


class DroppedError(Exception):
    """The script says that the connection ends here."""


@dataclass
class Peer:
    keywords: tuple[str, ...] = OURS
    tls: ssl.SSLContext | None = None
    after_starttls: bytes = b""
    greeting: Answer = "220 peer.test ESMTP"
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    """Replies by verb, used up in order; then the usual one."""
    offset: int | None = None
    """Answered as 355 to a MAIL with TRANSID."""
    drop_at: int | None = None
    """Content octets of one connection after which it is dropped."""
    silent_after: str = ""
    """A verb that is never answered."""
    hold_last: asyncio.Event | None = None
    """The reply to a whole message waits for it; ``held`` is set meanwhile."""
    held: asyncio.Event = field(default_factory=asyncio.Event)
    final: Callable[[bytes], str] = lambda message: "250 2.0.0 Q1 taken"
    commands: list[str] = field(default_factory=list)
    messages: list[bytes] = field(default_factory=list)
    partial: bytearray = field(default_factory=bytearray)
    content: int = 0
    """Content octets received, over all connections."""
    connections: int = 0
    most_at_once: int = 0
    port: int = 0
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @asynccontextmanager
    async def serving(self, port: int = 0) -> AsyncIterator[Peer]:
        server = await asyncio.start_server(self.serve, "127.0.0.1", port, limit=2**24)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def verbs(self) -> list[str]:
        return [c.split()[0].upper() for c in self.commands]

    async def serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Be the server on one connection."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        self.most_at_once = max(self.most_at_once, len(self._tasks))
        self.partial = bytearray()
        try:
            await self._converse(reader, writer)
        except (DroppedError, OSError, EOFError, asyncio.CancelledError):
            writer.transport.abort()
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _converse(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await self._say(writer, self.greeting)
        while line := await reader.readline():
            command = line.decode().rstrip("\r\n")
            self.commands.append(command)
            verb = command.split()[0].upper()
            if verb == "BDAT":
                await self._bdat(reader, writer, command)
            elif verb == "DATA":
                await self._data(reader, writer)
            elif verb == "STARTTLS":
                await self._starttls(writer)
            elif verb == "EHLO":
                await self._say(writer, self._next("EHLO", self._ehlo(writer)))
            elif verb == "QUIT":
                await self._say(writer, "221 bye")
                return
            else:
                await self._say(writer, self._next(verb, self._usual(command)), verb)

    def _usual(self, command: str) -> str:
        if "TRANSID" in command and self.offset is not None:
            return f"355 {self.offset} is the transaction offset"
        return "250 2.1.0 ok"

    def _ehlo(self, writer: asyncio.StreamWriter) -> str:
        lines = ["peer.test", *self.keywords]
        if self.tls and writer.get_extra_info("sslcontext") is None:
            lines.append("STARTTLS")
        return "\r\n".join([*(f"250-{x}" for x in lines[:-1]), f"250 {lines[-1]}"])

    def _next(self, verb: str, usual: str) -> Answer:
        planned = self.answers.get(verb)
        return planned.pop(0) if planned else usual

    async def _say(
        self, writer: asyncio.StreamWriter, answer: Answer, verb: str = ""
    ) -> None:
        if answer is None:
            raise DroppedError
        if verb and verb == self.silent_after:
            return
        if verb == "LAST" and self.hold_last is not None:
            self.held.set()
            await self.hold_last.wait()
        writer.write(answer.encode() + b"\r\n")
        await writer.drain()

    async def _starttls(self, writer: asyncio.StreamWriter) -> None:
        answer = self._next("STARTTLS", "220 go")
        assert answer is not None
        writer.write(answer.encode() + b"\r\n" + self.after_starttls)
        await writer.drain()
        if answer.startswith("220"):
            assert self.tls is not None
            try:
                await writer.start_tls(self.tls)
            except (ssl.SSLError, ConnectionError) as error:
                raise DroppedError from error

    async def _bdat(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, command: str
    ) -> None:
        found = re.fullmatch(r"BDAT (\d+)( LAST)?", command)
        assert found is not None, command
        missing = int(found[1])
        while missing:
            octets = await reader.read(min(missing, 65536))
            if not octets:
                raise DroppedError
            missing -= len(octets)
            self.content += len(octets)
            self.partial += octets
            if self.drop_at is not None and len(self.partial) >= self.drop_at:
                raise DroppedError
        if found[2]:
            usual = self.final(bytes(self.partial))
            answer = self._next("LAST", self._next("BDAT", usual) or usual)
            if answer and answer.startswith("250"):
                self.messages.append(bytes(self.partial))
            self.partial = bytearray()
            await self._say(writer, answer, "LAST")
        else:
            await self._say(
                writer, self._next("BDAT", f"250 {found[1]} octets"), "BDAT"
            )

    async def _data(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        answer = self._next("DATA", "354 go")
        await self._say(writer, answer, "DATA")
        if not (answer or "").startswith("354"):
            return
        raw = await reader.readuntil(b"\r\n.\r\n")
        self.content += len(raw) - 3
        message = raw[:-3].replace(b"\r\n..", b"\r\n.")
        message = message[1:] if message.startswith(b"..") else message
        answer = self._next("LAST", self.final(message))
        if answer and answer.startswith("250"):
            self.messages.append(message)
        await self._say(writer, answer, "LAST")


@dataclass(frozen=True)
class Certificate:
    """One CA, and a server certificate of it."""

    ca_file: str
    context: ssl.SSLContext
    der: bytes


def make_certificate(folder: Path, *names: str) -> Certificate:
    ca_key, ca = _certificate("test CA", None, None, names=())
    key, leaf = _certificate("server", ca_key, ca, names=names)
    ca_file, pair = folder / "ca.pem", folder / "pair.pem"
    ca_file.write_bytes(ca.public_bytes(serialization.Encoding.PEM))
    pair.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + leaf.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair)
    return Certificate(
        str(ca_file), context, leaf.public_bytes(serialization.Encoding.DER)
    )


def _certificate(
    subject: str,
    issuer_key: ec.EllipticCurvePrivateKey | None,
    issuer: x509.Certificate | None,
    names: tuple[str, ...],
) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer.subject if issuer else name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=2))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), True)
    )
    if names:
        found = [_general_name(n) for n in names]
        builder = builder.add_extension(x509.SubjectAlternativeName(found), False)
    return key, builder.sign(issuer_key or key, hashes.SHA256())


def _general_name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)
