# SPDX-License-Identifier: Apache-2.0
"""What goes wrong ends in a sentence, an exit status, the right code, one log line."""

from __future__ import annotations

import json
import os
import socket
import socketserver
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import ClassVar

import pytest

from tests.flows.plain import mailbox
from tests.flows.programs import BIN, Programs, edit, playground
from tests.flows.proxy import CountingProxy
from tests.flows.story import offer_at, transfer_of

BOB = "bob@b.example"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "refused.bin"
    made.write_bytes(os.urandom(3_000_000))
    return made


def outcome(programs: Programs, transfer: str) -> list[str]:
    """Return the statuses of a transfer's delivery lines at server a."""
    lines = programs.servers["a"].lines(rf"{transfer}: to=<")
    return [line.split("status=")[1].split(" ")[0] for line in lines]


@contextmanager
def peer_b_behind(
    folder: Path, port: int | None = None, **a_delivery: object
) -> Iterator[Programs]:
    """Make server a reach b.example at ``port``, with keys of its [delivery] set."""

    def change(made: Path) -> None:
        if port is not None:
            edit(made / "a.toml", 'peer."b.example"', address=f"127.0.0.1:{port}")
        if a_delivery:
            edit(made / "a.toml", "delivery", **a_delivery)

    with playground(folder, change=change) as programs:
        yield programs


def test_decline_sends_no_content(file: Path, tmp_path: Path) -> None:
    proxies: list[CountingProxy] = []

    def change(made: Path) -> None:
        facts = json.loads((made / "playground.json").read_text())
        proxies.append(CountingProxy(facts["servers"]["b"]["smtp"]))
        address = f"127.0.0.1:{proxies[0].port}"
        edit(made / "a.toml", 'peer."b.example"', address=address)

    with ExitStack() as stack:
        programs = stack.enter_context(
            playground(tmp_path / "playground", change=change)
        )
        proxy = stack.enter_context(proxies[0])
        programs.mshare("alice", "send", file, BOB)
        programs.mshare("bob", "decline", offer_at(programs, "bob", file.name)["id"])
        found = transfer_of(programs, "alice", file.name, "declined")
        told = programs.mshare("alice", "status", found["id"], expect=77)
        assert "declined" in told.out + told.err
        assert proxy.up < 64 * 1024
        assert outcome(programs, found["id"]) == ["offered"]


def test_an_offer_expires(file: Path, tmp_path: Path) -> None:
    """Who decides too late is told so; a mail program's move is refused."""

    def change(made: Path) -> None:
        edit(made / "a.toml", "queue", offer_lifetime=8.0)

    with playground(tmp_path / "playground", change=change) as programs:
        programs.mshare("alice", "send", file, BOB)
        found = transfer_of(programs, "alice", file.name, "expired")
        told = programs.mshare("alice", "status", found["id"], expect=69)
        assert "expired" in told.out + told.err
        (offer,) = programs.maild("b", "offers", "ls", "--json").json
        assert offer["outcome"] == "expired"
        assert programs.mshare("bob", "offers", "--json").json == []
        for verb in ("accept", "decline"):
            told = programs.mshare("bob", verb, offer["id"], expect=69)
            assert told.out == ""
            assert f"the offer of {file.name} has expired" in told.err
        with mailbox(programs, "bob") as imap:
            imap.select("INBOX")
            answer, (text,) = imap.uid("MOVE", "1", "Accepted")
            assert (answer, text.split(b";")[0]) == ("NO", b"[CANNOT] it has expired")


def test_an_unknown_recipient_is_told(programs: Programs, file: Path) -> None:
    programs.mshare("alice", "send", file, "nobody@b.example")
    found = transfer_of(programs, "alice", file.name, "failed")
    assert found["status"] == "5.1.1"
    told = programs.mshare("alice", "status", found["id"], expect=69)
    assert "5.1.1" in told.out
    assert outcome(programs, found["id"]) == ["bounced"]


def test_a_wrong_password_is_told(programs: Programs, tmp_path: Path) -> None:
    alice = programs.account("alice")
    done = subprocess.run(
        [
            str(BIN / "mshare"), "--profile", str(tmp_path / "profile"),
            "login", alice["address"], "--password-stdin",
            "--imap", f"localhost:{programs.port('alice', 'imap')}",
            "--submission", f"localhost:{programs.port('alice', 'submission')}",
            "--ca", programs.facts["ca"],
        ],
        input="not the password\n", capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert done.returncode == 77
    assert "password" in done.stderr
    assert len(done.stderr.strip().splitlines()) <= 2
    assert programs.servers["a"].lines("authentication failed")


def test_a_peer_that_is_down_is_tried_again_later(file: Path, tmp_path: Path) -> None:
    with socket.socket() as closed, ExitStack() as stack:
        closed.bind(("127.0.0.1", 0))  # bound, so nobody else can listen there
        port = int(closed.getsockname()[1])
        programs = stack.enter_context(peer_b_behind(tmp_path / "playground", port))
        programs.mshare("alice", "send", file, BOB)
        found = transfer_of(programs, "alice", file.name, "deferred")
        assert found["status"] == "4.4.1"
        told = programs.mshare("alice", "status", found["id"], expect=75)
        assert "4.4.1" in told.out
        assert outcome(programs, found["id"]) == ["deferred"]


class RefusingPeer(socketserver.StreamRequestHandler):
    """An SMTP server that wants nothing."""

    answers: ClassVar[dict[str, str]] = {
        "EHLO": "250-refusing.example\r\n250-SIZE\r\n250 CHUNKING",
        "QUIT": "221 2.0.0 bye",
    }

    def handle(self) -> None:
        self.wfile.write(b"220 refusing.example\r\n")
        while line := self.rfile.readline():
            verb = line[:4].decode().upper()
            answer = self.answers.get(verb, "550 5.7.1 nothing from you")
            self.wfile.write(f"{answer}\r\n".encode())
            if verb == "QUIT":
                return


def test_a_peer_that_refuses_is_final(file: Path, tmp_path: Path) -> None:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), RefusingPeer) as peer:
        threading.Thread(target=peer.serve_forever, daemon=True).start()
        with peer_b_behind(tmp_path / "playground", peer.server_address[1]) as programs:
            programs.mshare("alice", "send", file, BOB)
            found = transfer_of(programs, "alice", file.name, "failed")
            assert found["status"] == "5.7.1"
            assert outcome(programs, found["id"]) == ["bounced"]
        peer.shutdown()


def test_an_untrusted_certificate_defers(file: Path, tmp_path: Path) -> None:
    """No offer is made where the content could not follow."""
    other = tmp_path / "other.pem"
    with playground(tmp_path / "first") as stranger:
        other.write_bytes(Path(stranger.facts["ca"]).read_bytes())
    with peer_b_behind(tmp_path / "playground", None, ca_file=str(other)) as programs:
        programs.mshare("alice", "send", file, BOB)
        found = transfer_of(programs, "alice", file.name, "deferred")
        assert found["status"] == "4.7.5"
        assert programs.mshare("bob", "offers", "--json").json == []


def test_a_full_disk_at_the_receiver_defers(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    file = tmp_path / "too_large.bin"
    file.write_bytes(os.urandom(20_000_000))
    mounted: list[Path] = []

    def change(made: Path) -> None:
        """Put b's store on a file system of 8 MiB and make its accounts again."""
        store = made / "small"
        store.mkdir()
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(store)], check=True
        )
        mounted.append(store)
        edit(made / "b.toml", "server", store=str(store))
        accounts = json.loads((made / "playground.json").read_text())["accounts"]
        for account in accounts.values():
            if account["server"] == "b":
                subprocess.run(
                    [str(BIN / "maild"), "account", "--config", str(made / "b.toml"),
                     "add", account["address"], "--password-stdin"],
                    input=account["password"] + "\n",
                    text=True, check=True, capture_output=True,
                )  # fmt: skip

    try:
        with playground(tmp_path / "playground", change=change) as programs:
            programs.mshare("alice", "send", file, BOB)
            programs.mshare("bob", "accept", offer_at(programs, "bob", file.name)["id"])
            found = transfer_of(programs, "alice", file.name, "deferred")
            assert found["status"] == "4.3.1"
            assert outcome(programs, found["id"]) == ["offered", "deferred"]
            assert programs.mshare("bob", "ls", "--json").json == []
    finally:
        for store in mounted:
            subprocess.run(["umount", "-l", store], check=True)


def test_a_file_that_vanishes_during_the_upload(file: Path, tmp_path: Path) -> None:
    with playground(tmp_path / "playground") as programs:
        port = programs.port("alice", "submission")
        with CountingProxy(port, hold_after=1_000_000) as proxy:
            profile = Path(programs.account("alice")["profile"]) / "profile.toml"
            profile.write_text(
                profile.read_text().replace(f":{port}", f":{proxy.port}")
            )
            with file.open("wb") as out:
                for _ in range(64):
                    out.write(os.urandom(2**20))
            told = []
            run = threading.Thread(
                target=lambda: told.append(
                    programs.mshare("alice", "upload", file, expect=None)
                )
            )
            run.start()
            assert proxy.held.wait(60)
            os.truncate(file, 1_000_000)
            file.unlink()
            proxy.release()
            run.join()
        assert told[0].status in (65, 66)
        assert file.name in told[0].err
        assert programs.mshare("alice", "ls", "--json").json == []
