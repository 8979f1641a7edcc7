# SPDX-License-Identifier: Apache-2.0
"""When the two servers cannot meet (seed 214): joined at the rendezvous, or called."""

from __future__ import annotations

import json
import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.flows.ladder import (
    RENDEZVOUS,
    ClosedPort,
    Recording,
    acquainted,
    after_starttls,
    arrived,
    file_of,
    is_tls,
    namespace,
    offered,
    stored_at,
)
from tests.flows.programs import (
    WITH_RENDEZVOUS,
    Programs,
    edit,
    eventually,
    playground,
    sha256,
)
from tests.flows.proxy import CountingProxy
from tests.flows.story import offer_at, transfer_of

MIB = 2**20
LOCAL = "127.0.0.1"
QUICKLY = {"retry_first": 0.5, "retry_most": 1.0}


@contextmanager
def closed_way(
    folder: Path, *, recorded: bool = False, rate: int | None = None
) -> Iterator[tuple[Programs, ClosedPort, CountingProxy]]:
    """Run three servers; a's way to b is closed, and its way to r a proxy."""
    with ExitStack() as stack:
        port = ClosedPort()
        stack.callback(port.close)
        proxies: list[CountingProxy] = []

        def change(made: Path) -> None:
            facts = json.loads((made / "playground.json").read_text())
            target = facts["servers"]["r"]["smtp"]
            proxy = Recording(target) if recorded else CountingProxy(target, rate=rate)
            proxies.append(stack.enter_context(proxy))
            way = f"127.0.0.1:{proxy.port}"
            edit(made / "a.toml", f'peer."{RENDEZVOUS}"', address=way)
            closed = f"127.0.0.1:{port.port}"
            edit(made / "a.toml", 'peer."b.example"', address=closed)
            for server in WITH_RENDEZVOUS:
                edit(made / f"{server}.toml", "delivery", **QUICKLY)

        programs = stack.enter_context(
            playground(folder, change=change, servers=WITH_RENDEZVOUS)
        )
        yield programs, port, proxies[0]


def test_a_closed_port_is_gone_around(tmp_path: Path) -> None:
    """Both connect out to the rendezvous; it joins them, sees TLS, keeps nothing."""
    file = file_of(tmp_path, "film.bin", 5 * MIB)
    with closed_way(tmp_path / "p", recorded=True) as (programs, _, road):
        acquainted(programs, tmp_path)
        offer_id = offered(programs, file)
        programs.mshare("bob", "accept", offer_id)
        arrived(programs, file, tmp_path / "fetched")
        assert sha256(tmp_path / "fetched") == sha256(file)
        sent = transfer_of(programs, "alice", file.name, "sent")
        assert sent["route"] == RENDEZVOUS
        (line,) = programs.servers["a"].lines(rf"{offer_id}: to=.*status=sent")
        assert f"via={RENDEZVOUS}" in line
        trace = line.partition("trace=")[2].partition(",")[0]
        for server in programs.servers.values():
            assert server.lines(trace), server.config
        for name in WITH_RENDEZVOUS:
            assert programs.maild(name, "trace", trace).out.count("\n") > 1
        assert f"by {RENDEZVOUS}" in programs.maild("a", "trace", offer_id).out
        assert stored_at(programs, "r") == []
    assert isinstance(road, Recording)
    secret = [after_starttls(bytes(heard)) for heard in road.heard.values()]
    assert sum(map(len, secret)) > file.stat().st_size
    assert all(is_tls(octets) for octets in secret if octets)
    start = file.read_bytes()[:64]
    assert not any(start in heard for heard in road.heard.values())


@pytest.mark.timeout(300)
def test_the_direct_way_is_taken_as_soon_as_it_opens(tmp_path: Path) -> None:
    size = 48 * MIB
    file = file_of(tmp_path, "long.bin", size)
    with closed_way(tmp_path / "p", rate=4 * MIB) as (programs, port, road):
        acquainted(programs, tmp_path)
        offer_id = offered(programs, file)
        programs.mshare("bob", "accept", offer_id)
        eventually(lambda: road.up > 4 * MIB, "content goes by the rendezvous")
        with port.open(programs.port("b", "smtp")) as direct:
            arrived(programs, file, tmp_path / "fetched")
            assert sha256(tmp_path / "fetched") == sha256(file)
            sent = transfer_of(programs, "alice", file.name, "sent")
        assert sent["route"] == f"{RENDEZVOUS}+direct"
        assert direct.up > MIB
        assert road.up + direct.up <= size + 16 * MIB
        assert "the direct way is open" in programs.maild("a", "trace", offer_id).out
        (line,) = programs.servers["a"].lines(rf"{offer_id}: to=.*status=sent")
        assert f"via={RENDEZVOUS}+direct" in line


@pytest.mark.timeout(300)
def test_a_kill_of_the_rendezvous_costs_no_octet_twice(tmp_path: Path) -> None:
    """Both call again as soon as it is back, and go on where they were."""
    size = 24 * MIB
    file = file_of(tmp_path, "killed.bin", size)
    with closed_way(tmp_path / "p", rate=4 * MIB) as (programs, _, road):
        acquainted(programs, tmp_path)
        offer_id = offered(programs, file)
        programs.mshare("bob", "accept", offer_id)
        eventually(lambda: road.up > 8 * MIB, "content goes by the rendezvous")
        middle = programs.servers["r"]
        assert middle.process is not None
        middle.process.kill()
        middle.bury()
        middle.start()
        arrived(programs, file, tmp_path / "fetched")
        assert sha256(tmp_path / "fetched") == sha256(file)
        assert transfer_of(programs, "alice", file.name, "sent")["route"] == RENDEZVOUS
        assert road.up <= size + 16 * MIB
        assert stored_at(programs, "r") == []


def test_a_stranger_gets_nowhere_by_the_rendezvous(tmp_path: Path) -> None:
    """Nothing is joined, relayed or stored for who knows no offer."""
    with closed_way(tmp_path / "p") as (programs, _, __):
        with socket.create_connection(
            ("127.0.0.1", programs.port("r", "smtp"))
        ) as link:
            link.settimeout(30)
            words = link.makefile("rwb")
            words.readline()
            for said, code in (
                (b"EHLO stranger.example", b"250"),
                (b"XCONNECT b.example", b"530"),
                (b"ATRN b.example", b"530"),
                (b"AUTH PLAIN AHgAeA==", b"504"),
                (b"MAIL FROM:<x@stranger.example>", b"250"),
                (b"RCPT TO:<bob@b.example>", b"250"),  # whoever that is
                (b"DATA", b"354"),
                (b"Subject: hello\r\n\r\nhello\r\n.", b"550"),
            ):
                words.write(said + b"\r\n")
                words.flush()
                line = words.readline()
                while line[3:4] == b"-":
                    line = words.readline()
                assert line.startswith(code), (said, line)
        assert stored_at(programs, "r") == []


def close_way(programs: Programs, port: int) -> None:
    """Let a find b's port closed from now on."""
    server = programs.servers["a"]
    server.stop()
    edit(server.config, 'peer."b.example"', address=f"127.0.0.1:{port}")
    server.start()


def test_who_cannot_be_reached_calls_the_sender(tmp_path: Path) -> None:
    """Without any rendezvous: ATRN at the sender's server, as the accepted offer."""
    file = file_of(tmp_path, "called.bin", 3 * MIB)
    port = ClosedPort()

    def change(made: Path) -> None:
        edit(made / "a.toml", "smtp", atrn=True)
        edit(made / "b.toml", "delivery", call_after=1.0)

    with playground(tmp_path / "p", change=change) as programs:
        bob = programs.account("bob")["address"]
        programs.mshare("alice", "send", file, bob)
        offer_id = str(offer_at(programs, "bob", file.name)["id"])
        close_way(programs, port.port)
        programs.mshare("bob", "accept", offer_id)
        arrived(programs, file, tmp_path / "fetched")
        assert sha256(tmp_path / "fetched") == sha256(file)
        sent = transfer_of(programs, "alice", file.name, "sent")
        assert sent["route"] == "atrn"
    port.close()


@pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("ip"), reason="needs root and iproute2"
)
def test_a_server_with_outgoing_connections_only(tmp_path: Path) -> None:
    """Nothing can connect to b: offers come by its standing call, content joined."""
    file = file_of(tmp_path, "far.bin", 40 * MIB)
    secret = "one secret for both operators"
    with ExitStack() as stack:
        ours, words = stack.enter_context(namespace(f"maild{os.getpid() % 10**6}"))

        def change(made: Path) -> None:
            facts = json.loads((made / "playground.json").read_text())["servers"]
            for server in ("a", "r"):
                listen = [f"{host}:{facts[server]['smtp']}" for host in (ours, LOCAL)]
                edit(made / f"{server}.toml", "smtp", listen=listen)
                edit(made / f"{server}.toml", "delivery", **QUICKLY)
            edit(made / "r.toml", 'peer."b.example"', secret=secret)

        programs = stack.enter_context(
            playground(tmp_path / "p", change=change, servers=WITH_RENDEZVOUS)
        )
        acquainted(programs, tmp_path)
        far = programs.servers["b"]
        far.stop()
        far.inside = words
        for domain, server in ((RENDEZVOUS, "r"), ("a.example", "a")):
            way = f"{ours}:{programs.port(server, 'smtp')}"
            edit(far.config, f'peer."{domain}"', address=way)
        edit(far.config, f'peer."{RENDEZVOUS}"', secret=secret, call=True)
        far.start()
        offer_id = offered(programs, file)
        programs.mshare("bob", "accept", offer_id)
        arrived(programs, file, tmp_path / "fetched")
        assert sha256(tmp_path / "fetched") == sha256(file)
        sent = transfer_of(programs, "alice", file.name, "sent")
        assert sent["route"] == RENDEZVOUS
        assert stored_at(programs, "r") == []
