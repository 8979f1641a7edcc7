# SPDX-License-Identifier: Apache-2.0
"""The http listener answers two questions, and is not led astray."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from maild.store.house import Store
from maild.web import station
from maild.web.settings import HttpSettings
from maild.web.station import WebStation
from tests.unit.ports import free_port


@pytest_asyncio.fixture
async def port(tmp_path: Path) -> AsyncIterator[int]:
    store = Store(tmp_path)
    store.open()
    number = free_port()
    ready = asyncio.Event()
    web = WebStation(HttpSettings((f"127.0.0.1:{number}",)), store)
    work = asyncio.create_task(web.run(ready.set))
    await ready.wait()
    yield number
    work.cancel()
    await asyncio.wait([work])
    store.close()


async def asked(port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


async def test_health(port: int) -> None:
    answer = await asked(port, b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(b"\r\n\r\nok\n")


async def test_metrics(port: int) -> None:
    answer = await asked(port, b"GET /metrics?x=1 HTTP/1.0\r\n\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert f"Content-Length: {len(body)}".encode() in head
    assert b'maild_transfers{state="queued"} 0.0' in body
    assert b"maild_blobs_growing 0.0" in body
    assert b"maild_messages_received_total" in body


async def test_head_has_no_body(port: int) -> None:
    answer = await asked(port, b"HEAD /health HTTP/1.1\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    ("request_octets", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", b"404"),
        (b"GET /../etc/passwd HTTP/1.1\r\n\r\n", b"404"),
        (b"POST /health HTTP/1.1\r\n\r\n", b"400"),
        (b"GET http://x/health HTTP/1.1\r\n\r\n", b"400"),
        (b"GET /health HTTP/2\r\n\r\n", b"400"),
        (b"GET /health\r\n\r\n", b"400"),
        (b"EHLO x\r\n\r\n", b"400"),
        (b"\x00\xff\r\n\r\n", b"400"),
        (b"GET /health HTTP/1.1\r\nX: " + b"x" * 9000 + b"\r\n\r\n", b"431"),
    ],
)
async def test_refused(port: int, request_octets: bytes, status: bytes) -> None:
    answer = await asked(port, request_octets)
    assert answer.startswith(b"HTTP/1.1 " + status)


async def test_a_slow_watcher_is_dropped(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(station, "DEADLINE", 0.01)
    assert await asked(port, b"GET /hea") == b""


async def test_a_broken_store_is_not_healthy(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(tx: object) -> None:
        raise RuntimeError("no disk")

    monkeypatch.setattr("maild.store.census.count", broken)
    answer = await asked(port, b"GET /health HTTP/1.1\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 503")
    assert b"no disk" not in answer
