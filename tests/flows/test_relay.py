# SPDX-License-Identifier: Apache-2.0
"""When the recipient's server stays away: the rendezvous keeps the content for it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.flows.ladder import (
    RENDEZVOUS,
    ClosedPort,
    acquainted,
    arrived,
    file_of,
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
from tests.flows.story import transfer_of

MIB = 2**20
QUICKLY = {"retry_first": 0.3, "retry_most": 0.6, "relay_after": 1.0}


@contextmanager
def three(
    folder: Path, *, rate: int | None = None
) -> Iterator[tuple[Programs, CountingProxy]]:
    """Run three servers whose people know each other; a's way to r is a proxy."""
    with ExitStack() as stack:
        roads: list[CountingProxy] = []

        def change(made: Path) -> None:
            facts = json.loads((made / "playground.json").read_text())
            road = CountingProxy(facts["servers"]["r"]["smtp"], rate=rate)
            roads.append(stack.enter_context(road))
            way = f"127.0.0.1:{road.port}"
            edit(made / "a.toml", f'peer."{RENDEZVOUS}"', address=way)
            for server in WITH_RENDEZVOUS:
                edit(made / f"{server}.toml", "delivery", **QUICKLY)

        programs = stack.enter_context(
            playground(folder, change=change, servers=WITH_RENDEZVOUS)
        )
        acquainted(programs, folder)
        yield programs, roads[0]


def accepted_and_away(programs: Programs, file: Path) -> str:
    """Let bob accept a file whose content cannot leave, and his server stop."""
    offer_id = offered(programs, file)
    programs.maild("a", "queue", "hold", offer_id)
    programs.mshare("bob", "accept", offer_id)
    eventually(
        lambda: programs.servers["a"].lines(f"answer to {offer_id} counts"),
        "the answer has come",
    )
    programs.servers["b"].stop()
    programs.maild("a", "queue", "release", offer_id)
    return offer_id


def is_clean(programs: Programs) -> bool:
    """Whether the rendezvous keeps no content, and all is well with its store."""
    return stored_at(programs, "r") == [] and programs.maild("r", "fsck").status == 0


@pytest.mark.timeout(300)
def test_content_waits_at_the_rendezvous(tmp_path: Path) -> None:
    """A has done its part and may go; b takes it when it is there again."""
    file = file_of(tmp_path, "film.bin", 5 * MIB)
    with three(tmp_path / "p") as (programs, _):
        offer_id = accepted_and_away(programs, file)
        sent = transfer_of(programs, "alice", file.name, "sent")
        assert sent["route"] == f"kept@{RENDEZVOUS}"
        shown = programs.mshare("alice", "status").out
        assert f"sent via {RENDEZVOUS} (kept there)" in shown
        (line,) = programs.servers["a"].lines(rf"{offer_id}: to=.*status=sent")
        assert f"via=kept@{RENDEZVOUS}" in line
        (kept,) = [
            each
            for each in programs.maild("r", "queue", "ls", "--json").json
            if each["size"] == file.stat().st_size
        ]
        assert kept["kind"] == "relay"
        assert len(stored_at(programs, "r")) == 1
        programs.servers["a"].stop()
        programs.servers["b"].start()
        arrived(programs, file, tmp_path / "fetched")
        assert sha256(tmp_path / "fetched") == sha256(file)
        eventually(lambda: is_clean(programs), "the rendezvous keeps nothing")
        trace = line.partition("trace=")[2].partition(",")[0]
        assert "kept" in programs.maild("r", "trace", trace).out


@pytest.mark.timeout(300)
def test_a_kill_costs_no_octet_twice_and_the_other_end_only_calls(
    tmp_path: Path,
) -> None:
    """The rendezvous is killed in the middle; b can only be reached by its call."""
    size = 24 * MIB
    file = file_of(tmp_path, "killed.bin", size)
    port = ClosedPort()
    with three(tmp_path / "p", rate=4 * MIB) as (programs, road):
        accepted_and_away(programs, file)
        eventually(lambda: road.up > 8 * MIB, "content goes to the rendezvous")
        middle = programs.servers["r"]
        assert middle.process is not None
        middle.process.kill()
        middle.bury()
        closed = f"127.0.0.1:{port.port}"
        edit(middle.config, 'peer."b.example"', address=closed)
        middle.start()
        transfer_of(programs, "alice", file.name, "sent")
        assert road.up <= size + 20 * MIB
        programs.servers["a"].stop()
        programs.servers["b"].start()
        arrived(programs, file, tmp_path / "fetched")
        assert sha256(tmp_path / "fetched") == sha256(file)
        eventually(lambda: is_clean(programs), "the rendezvous keeps nothing")
        assert middle.lines(r"to=<bob@b.example>.*status=sent.*via=atrn")
    port.close()
