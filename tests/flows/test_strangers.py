# SPDX-License-Identifier: Apache-2.0
"""Nobody in: content without consent, and addresses that point inside."""

from __future__ import annotations

import os
import smtplib
import socket
import struct
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from tests.flows.programs import Programs, edit, playground
from tests.flows.proxy import CountingProxy
from tests.flows.story import transfer_of

GIB = 2**30


def test_an_unsolicited_gibibyte_is_refused_before_its_first_octet(
    programs: Programs,
) -> None:
    with CountingProxy(programs.port("b", "smtp")) as proxy:
        client = smtplib.SMTP("localhost", proxy.port)
        client.starttls(context=programs.tls)
        client.ehlo()
        code, text = client.docmd(
            f"MAIL FROM:<stranger@c.example> BODY=BINARYMIME SIZE={GIB}"
        )
        assert (code, text[:5]) == (550, b"5.7.1")
        assert b"accepted offer" in text
        # The size may be kept back: then the chunk's announcement is what is refused.
        assert client.docmd("MAIL FROM:<stranger@c.example> BODY=BINARYMIME")[0] == 250
        assert client.docmd("RCPT TO:<bob@b.example>")[0] == 250
        code, text = client.docmd(f"BDAT {GIB} LAST")
        assert (code, text[:5]) == (550, b"5.7.1")
        client.close()
        assert proxy.up < 8 * 1024


def test_a_forged_proof_opens_nothing(programs: Programs) -> None:
    client = smtplib.SMTP("localhost", programs.port("b", "smtp"))
    client.starttls(context=programs.tls)
    client.ehlo()
    transid = "a" * 32 + "@a.example"
    client.docmd(
        f"MAIL FROM:<alice@a.example> BODY=BINARYMIME SIZE={GIB} TRANSID=<{transid}>"
    )
    code, text = client.docmd("RCPT TO:<bob@b.example>")
    assert (code, text[:5]) == (550, b"5.7.1")
    client.close()


@pytest.mark.parametrize("address", ["bob@[127.0.0.1]", "bob@[IPv6:::1]"])
def test_an_address_literal_is_refused(
    programs: Programs, tmp_path: Path, address: str
) -> None:
    file = tmp_path / "inside.bin"
    file.write_bytes(b"inside")
    told = programs.mshare("alice", "send", file, address, expect=None)
    assert told.status != 0
    alice = programs.account("alice")
    client = smtplib.SMTP_SSL(
        "localhost", programs.port("alice", "submission"), context=programs.tls
    )
    client.login(alice["address"], alice["password"])
    client.docmd(f"MAIL FROM:<{alice['address']}>")
    code, text = client.docmd(f"RCPT TO:<{address}>")
    assert (code, text[:5]) == (550, b"5.7.1")
    client.quit()


class LyingNameServer(threading.Thread):
    """Answers every MX question with a host at 169.254.169.254 (cloud metadata)."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = int(self.socket.getsockname()[1])
        self.asked = 0

    def run(self) -> None:
        with suppress(OSError):
            while True:
                query, client = self.socket.recvfrom(512)
                self.asked += 1
                self.socket.sendto(self.answer(query), client)

    @staticmethod
    def answer(query: bytes) -> bytes:
        end = query.index(b"\0", 12) + 5
        question = query[12:end]
        kind = struct.unpack(">H", question[-4:-2])[0]
        data = {
            15: struct.pack(">H", 10) + b"\2mx" + b"\xc0\x0c",
            1: socket.inet_aton("169.254.169.254"),
        }.get(kind)
        count = 1 if data else 0
        head = query[:2] + struct.pack(">5H", 0x8180, 1, count, 0, 0)
        if not data:
            return head + question
        return (
            head
            + question
            + b"\xc0\x0c"
            + struct.pack(">HHIH", kind, 1, 60, len(data))
            + data
        )


def test_an_mx_that_points_inside_is_refused_without_a_packet(tmp_path: Path) -> None:
    names = LyingNameServer()
    names.start()
    file = tmp_path / "metadata.bin"
    file.write_bytes(os.urandom(1000))

    def change(made: Path) -> None:
        edit(made / "a.toml", "delivery", nameservers=[f"127.0.0.1:{names.port}"])

    with playground(tmp_path / "playground", change=change) as programs:
        programs.mshare("alice", "send", file, "bob@evil.example")
        found = transfer_of(programs, "alice", file.name, "failed")
        assert found["status"] == "5.7.1"
        (line,) = programs.servers["a"].lines(rf"{found['id']}: to=<")
        assert "relay=none" in line
    assert names.asked > 0
    names.socket.close()
