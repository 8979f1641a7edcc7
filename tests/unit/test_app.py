# SPDX-License-Identifier: Apache-2.0
"""The composition root: identity, own domains as peers, start and stop."""

from __future__ import annotations

import asyncio
import datetime
import hashlib
import os
import signal
import ssl
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from maild import app
from maild.certificates import Authority
from maild.config import ConfigError, Configuration, ServerSettings
from maild.delivery.settings import PeerSettings
from maild.smtpd.settings import SmtpSettings
from maild.store.errors import StoreBrokenError
from maild.store.house import Store
from maild.supervisor import Supervisor

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("identity")
    authority = Authority("test", NOW)
    pair = authority.issue(["mx.a.example"])
    (made / "chain.pem").write_bytes(pair.certificate + authority.certificate)
    (made / "key.pem").write_bytes(pair.key)
    (made / "both.pem").write_bytes(pair.key + pair.certificate)
    (made / "other.pem").write_bytes(authority.issue(["other.example"]).key)
    return made


def configured(folder: Path, certificate: str, key: str = "") -> Configuration:
    server = ServerSettings(
        hostname="MX.A.example",
        domains=("A.example",),
        certificate=str(folder / certificate),
        key=str(folder / key) if key else "",
    )
    return Configuration(folder / "maild.toml", server)


@pytest.mark.parametrize(
    ("certificate", "key"), [("chain.pem", "key.pem"), ("both.pem", "")]
)
def test_identity(folder: Path, certificate: str, key: str) -> None:
    found = app.identity_of(configured(folder, certificate, key))
    assert found.hostname == "mx.a.example"
    assert found.domains == {"a.example"}
    assert found.tls is not None
    assert found.tls.minimum_version is ssl.TLSVersion.TLSv1_2
    pem = (folder / "both.pem").read_text()
    own = pem[pem.index("-----BEGIN CERTIFICATE") :]
    assert found.certificate == ssl.PEM_cert_to_DER_cert(own)


def test_stations_promise_room_together(folder: Path, tmp_path: Path) -> None:
    config = configured(folder, "chain.pem", "key.pem")
    stations = app.compose(config, Store(tmp_path), app.identity_of(config))
    receiving, showing = (
        stations[name].__self__.promises  # type: ignore[attr-defined] # a bound method
        for name in ("smtpd", "imapd")
    )
    assert receiving is showing


@pytest.mark.parametrize(
    ("certificate", "key", "said"),
    [
        ("none.pem", "", r"\[server\] certificate: .*none.pem: No such file"),
        ("chain.pem", "none.pem", r"\[server\] key: .*none.pem: No such file"),
        ("chain.pem", "other.pem", r"\[server\] certificate, key: not a usable pair"),
        ("key.pem", "key.pem", r"\[server\] certificate, key: not a usable pair"),
    ],
)
def test_unusable_certificates(
    folder: Path, certificate: str, key: str, said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        app.identity_of(configured(folder, certificate, key))


@pytest.mark.parametrize(
    ("listen", "address"),
    [
        ("0.0.0.0:25", "127.0.0.1:25"),
        ("[::]:25", "[::1]:25"),
        ("192.0.2.1:2525", "192.0.2.1:2525"),
    ],
)
def test_own_domains_are_a_peer(folder: Path, listen: str, address: str) -> None:
    found = configured(folder, "both.pem")
    identity = app.identity_of(found)
    other = PeerSettings("192.0.2.9:25")
    config = Configuration(
        found.file,
        found.server,
        smtp=SmtpSettings(listen=(listen,)),
        peers={"b.example": other},
    )
    digest = hashlib.sha256(identity.certificate).hexdigest()
    assert app.peers_of(config, identity) == {
        "a.example": PeerSettings(address, digest),
        "b.example": other,
    }


class Told(Supervisor):
    """Remembers what it was told, and asks for an end once all is ready."""

    def __init__(self, heard: list[str]) -> None:
        super().__init__()
        object.__setattr__(self, "heard", heard)

    def tell(self, *facts: str) -> None:
        self.heard.extend(facts)  # type: ignore[attr-defined]  # set above
        if "READY=1" in facts:
            os.kill(os.getpid(), signal.SIGTERM)


async def test_ready_when_the_last_has_started_then_a_clean_stop() -> None:
    heard: list[str] = []
    gate = asyncio.Event()

    async def quick(started: Callable[[], None]) -> None:
        started()
        heard.append("quick")
        gate.set()
        await asyncio.Future()

    async def slow(started: Callable[[], None]) -> None:
        await gate.wait()
        heard.append("slow")
        started()
        try:
            await asyncio.Future()
        finally:
            heard.append("closed")

    await app.run_until_told([quick, slow], Told(heard))
    assert heard == ["quick", "slow", "READY=1", "STOPPING=1", "closed"]


async def test_a_station_that_fails_ends_the_others() -> None:
    closed = asyncio.Event()

    async def good(started: Callable[[], None]) -> None:
        started()
        try:
            await asyncio.Future()
        finally:
            closed.set()

    async def bad(started: Callable[[], None]) -> None:
        raise OSError("in use")

    with pytest.raises(BaseExceptionGroup) as caught:
        await app.run_until_told([good, bad], Supervisor())
    assert [str(e) for e in caught.value.exceptions] == ["in use"]
    assert closed.is_set()


async def test_a_store_that_breaks_ends_the_daemon(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.open()
    told: list[str] = []

    async def station(started: Callable[[], None]) -> None:
        started()
        store.index.stop_acknowledging()
        try:
            await asyncio.Future()
        finally:
            told.append("closed")

    try:
        with pytest.raises(BaseExceptionGroup) as caught:
            await app.run_until_told([app.watching(store), station], Supervisor())
    finally:
        store.close()
    assert isinstance(caught.value.exceptions[0], StoreBrokenError)
    assert told == ["closed"]


async def test_a_failure_waits_for_no_station_that_hangs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class EndedError(Exception):
        pass

    def end(status: int) -> None:
        ended.append(status)
        raise EndedError

    async def hangs(started: Callable[[], None]) -> None:
        started()
        while not ended:
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(0.01)

    async def bad(started: Callable[[], None]) -> None:
        raise OSError("in use")

    ended: list[int] = []
    monkeypatch.setattr(app, "PATIENCE", 0.05)
    monkeypatch.setattr(os, "_exit", end)
    with pytest.raises(BaseExceptionGroup) as caught:
        await app.run_until_told([hangs, bad], Supervisor())
    assert caught.value.subgroup(EndedError) is not None
    assert ended == [os.EX_TEMPFAIL]


async def test_a_station_may_not_end_by_itself() -> None:
    async def finished(started: Callable[[], None]) -> None:
        started()

    with pytest.raises(BaseExceptionGroup) as caught:
        await app.run_until_told([finished], Supervisor())
    assert "ended by itself" in str(caught.value.exceptions[0])
