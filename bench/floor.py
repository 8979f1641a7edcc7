# SPDX-License-Identifier: Apache-2.0
"""The cheapest way to take a file from one process to another, hashed and synced.

The receiver is this process: it reads, writes and lets a worker hash, with the kernel
writing back meanwhile.  The clock runs from the word to begin, both sides ready (TLS
included), until the file is on the device.
"""

from __future__ import annotations

import hashlib
import os
import queue
import socket
import ssl
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from maild.store.blob_disk import start_writeback

PIECE = 2**20
"""Octets moved per step."""
WRITEBACK = 8 * 2**20
"""Octets after which the kernel is asked to begin writing."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one copy: seconds, and CPU seconds of the receiving process."""

    took: float
    cpu: float


def plain_copy(source: Path, target: Path) -> Cost:
    """Copy over loopback TCP into a synced file, hashing beside."""
    return _copy(source, target, None, None)


def tls_copy(source: Path, target: Path) -> Cost:
    """Copy over a bare TLS 1.3 socket into a synced file, hashing beside."""
    return _copy(source, target, *contexts())


def _copy(
    source: Path,
    target: Path,
    server_side: ssl.SSLContext | None,
    client_side: ssl.SSLContext | None,
) -> Cost:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        child = os.fork()
        if child == 0:
            _send(source, port, client_side)
            os._exit(0)
        connection: socket.socket = listener.accept()[0]
        if server_side is not None:
            connection = server_side.wrap_socket(connection, server_side=True)
        with connection:
            before, began = time.process_time(), time.perf_counter()
            connection.sendall(b"!")
            _receive(connection, target)
            took, cpu = time.perf_counter() - began, time.process_time() - before
        os.waitpid(child, 0)
    return Cost(took, cpu)


def _send(source: Path, port: int, context: ssl.SSLContext | None) -> None:
    connection = socket.create_connection(("127.0.0.1", port))
    with source.open("rb") as file:
        if context is None:
            connection.recv(1)
            connection.sendfile(file)
        else:
            secured = context.wrap_socket(connection, server_hostname="localhost")
            secured.recv(1)
            while octets := file.read(256 * 1024):
                secured.sendall(octets)
            with suppress(ssl.SSLError):  # the other side has gone: it has everything
                secured.unwrap()
            connection = secured
    connection.close()


def _receive(connection: socket.socket, target: Path) -> None:
    """Read into a ring of buffers; a worker hashes what has been written."""
    ring = [bytearray(PIECE) for _ in range(4)]
    free: queue.Queue[int] = queue.Queue()
    full: queue.Queue[tuple[int, int]] = queue.Queue()
    for number in range(len(ring)):
        free.put(number)
    digest = hashlib.sha256()

    def work() -> None:
        while True:
            number, count = full.get()
            if count == 0:
                return
            digest.update(memoryview(ring[number])[:count])
            free.put(number)

    worker = threading.Thread(target=work)
    worker.start()
    written = 0
    with target.open("wb", buffering=0) as file:
        while True:
            number = free.get()
            count = _fill(connection, memoryview(ring[number]))
            if count:
                file.write(memoryview(ring[number])[:count])
            full.put((number, count))
            if count == 0:
                break
            written += count
            if written % WRITEBACK == 0:
                start_writeback(file.fileno(), written - WRITEBACK, WRITEBACK)
        os.fdatasync(file.fileno())
        worker.join()
    digest.hexdigest()


def _fill(connection: socket.socket, room: memoryview) -> int:
    """Fill ``room`` (a TLS record is at most 16 KiB); less only at the end."""
    flags = 0 if isinstance(connection, ssl.SSLSocket) else socket.MSG_WAITALL
    count = 0
    while count < len(room):
        got = connection.recv_into(room[count:], 0, flags)
        if not got:
            break
        count += got
    return count


@cache
def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return the two sides of a TLS connection, made for this process alone."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), False)
        .sign(key, hashes.SHA256())
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    with tempfile.TemporaryDirectory() as folder:
        pem = Path(folder) / "both.pem"
        pem.write_bytes(
            certificate.public_bytes(serialization.Encoding.PEM)
            + key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        server.load_cert_chain(pem)
        client.load_verify_locations(pem)
    return server, client
