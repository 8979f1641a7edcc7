# SPDX-License-Identifier: Apache-2.0
"""People who know each other's numbers only (seed 203-206): asked once, then known."""

from __future__ import annotations

import imaplib
import json
import os
import re
import smtplib
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.flows.plain import body
from tests.flows.programs import (
    BIN,
    WITH_RENDEZVOUS,
    Programs,
    eventually,
    playground,
    sha256,
)
from tests.flows.story import item_at, offer_at, transfer_of

UNAVAILABLE = 69
TRY_LATER = 75
NOT_ALLOWED = 77


@pytest.fixture
def programs(tmp_path: Path) -> Iterator[Programs]:
    with playground(tmp_path / "playground", servers=WITH_RENDEZVOUS) as made:
        yield made


def requests_passed(programs: Programs) -> int:
    """Return how many address requests the rendezvous has been brought so far."""
    return len(programs.servers["r"].lines(r"address request: "))


def request_at(programs: Programs, name: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        found = programs.mshare(name, "requests", "--json").json
        return dict(found[0]) if found else None

    return eventually(look, f"{name} is asked for an address")


def sending(programs: Programs, name: str, *words: str | Path) -> subprocess.Popen[str]:
    """Begin to send as an account; the caller waits for its end."""
    profile = programs.account(name)["profile"]
    return subprocess.Popen(
        [str(BIN / "mshare"), "--profile", profile, "send", *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process: subprocess.Popen[str]) -> tuple[str, str]:
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, (out, err)
    return out, err


def new_file(folder: Path, name: str) -> Path:
    file = folder / name
    file.write_bytes(os.urandom(200_000))
    return file


def received(programs: Programs, name: str, file: Path, folder: Path) -> None:
    """Accept the offer of a file, fetch it, and compare."""
    programs.mshare(name, "accept", offer_at(programs, name, file.name)["id"])
    item = item_at(programs, name, file.name, file.stat().st_size)
    target = folder / f"{name} got {file.name}"
    programs.mshare(name, "get", item["id"], "-o", target)
    assert sha256(target) == sha256(file)


def test_numbers_only_and_the_reverse_share_asks_nothing(
    programs: Programs, tmp_path: Path
) -> None:
    alice, bob = programs.log_in_number("alice"), programs.log_in_number("bob")
    shown = programs.mshare("alice", "number", "show", "--json").json
    assert shown == {
        "number": alice,
        "rendezvous": "rcs.example",
        "address": "alice@a.example",
        "policy": "ask",
    }
    there = new_file(tmp_path, "there.bin")
    process = sending(programs, "alice", there, "+1 (415) 555-0102")
    asked = request_at(programs, "bob")
    assert (asked["number"], asked["address"]) == (alice, "alice@a.example")
    said = programs.mshare("bob", "accept", alice).out
    told = f"accepted: {alice} (alice@a.example) has been told your address"
    assert said == f"{told} ({asked['id']})\n"
    out, err = ended(process)
    assert "there.bin to bob@b.example: transfer " in out
    assert f"{bob} has been asked for its mail address; waiting" in err
    received(programs, "bob", there, tmp_path)
    transfer_of(programs, "alice", "there.bin", "sent")
    assert requests_passed(programs) == 1

    back = new_file(tmp_path, "back.bin")
    programs.mshare("bob", "send", back, alice)
    received(programs, "alice", back, tmp_path)
    again = new_file(tmp_path, "again.bin")
    programs.mshare("alice", "send", again, f"{bob}@rcs.example")
    received(programs, "bob", again, tmp_path)
    assert requests_passed(programs) == 1
    url = f"http://127.0.0.1:{programs.port('r', 'http')}/metrics"
    with urllib.request.urlopen(url) as page:
        counts = page.read().decode()
    for kind, outcome in (("request", "asked"), ("response", "accepted")):
        count = f'{{kind="{kind}",outcome="{outcome}"}} 1.0'
        assert f"maild_address_requests_total{count}" in counts
    (line,) = programs.servers["r"].lines(r"address response: ")
    assert f"from=<{bob}@rcs.example>, to=<{alice}@rcs.example>" in line
    assert "status=accepted" in line
    trace = re.findall(r"trace=(\w+)", line)[0]
    told = programs.maild("r", "trace", trace).out
    assert f"address of {bob} asked for" in told
    assert f"address of {bob} told" in told
    held = programs.maild("r", "account", "ls", "--json").json
    assert max(account["used"] for account in held) < 64 * 1024


def test_a_mail_program_decides_and_the_terminal_learns_it(
    programs: Programs, tmp_path: Path
) -> None:
    """Bob moves the request with imaplib; his terminal then needs no request."""
    alice, bob = programs.log_in_number("alice"), programs.log_in_number("bob")
    file = new_file(tmp_path, "moved.bin")
    late = programs.mshare("alice", "send", file, bob, "--no-wait", expect=TRY_LATER)
    assert "has not answered yet" in late.err
    programs.mshare("alice", "send", file, bob, "--no-wait", expect=TRY_LATER)
    assert len(programs.mshare("bob", "requests", "--json").json) == 1
    with mailbox_of(programs, "bob") as imap:
        assert imap.select("INBOX")[0] == "OK"
        (uids,) = imap.uid("SEARCH", "KEYWORD", "$AddressRequest")[1]
        text = body(imap, uids.decode(), "1").decode()
        assert f"{alice}, whose mail address is alice@a.example, asks" in text
        assert imap.uid("MOVE", uids.decode(), "Accepted")[0] == "OK"
    programs.mshare("alice", "send", file, bob, "--no-wait")
    received(programs, "bob", file, tmp_path)
    before = requests_passed(programs)
    back = new_file(tmp_path, "back.bin")
    programs.mshare("bob", "send", back, alice)
    received(programs, "alice", back, tmp_path)
    assert requests_passed(programs) == before


def test_policies_and_refusals(programs: Programs, tmp_path: Path) -> None:
    _, bob = programs.log_in_number("alice"), programs.log_in_number("bob")
    carol = programs.log_in_number("carol")
    file = new_file(tmp_path, "asked.bin")
    process = sending(programs, "alice", file, bob)
    asked = request_at(programs, "bob")
    programs.mshare("bob", "decline", asked["id"])
    _, err = process.communicate(timeout=60)
    assert process.returncode == NOT_ALLOWED
    assert f"mshare: {bob} does not tell its address\n" in err
    nagging = programs.mshare("alice", "send", file, bob, expect=NOT_ALLOWED)
    assert "does not tell its address" in nagging.err
    assert programs.mshare("bob", "requests", "--json").json == []

    programs.mshare("carol", "number", "policy", "everyone")
    out = programs.mshare("alice", "send", file, carol).out
    assert "asked.bin to carol@b.example" in out
    received(programs, "carol", file, tmp_path)
    nobody = programs.mshare("alice", "send", file, "+14155550109", expect=None)
    assert "is no number at rcs.example" in nobody.err


def test_the_story_by_mail_address_with_the_rendezvous_stopped(
    programs: Programs, tmp_path: Path
) -> None:
    alice, bob = programs.log_in_number("alice"), programs.log_in_number("bob")
    programs.mshare("alice", "number", "policy", "everyone")
    known = new_file(tmp_path, "known.bin")
    programs.mshare("bob", "send", known, alice)
    received(programs, "alice", known, tmp_path)
    programs.servers["r"].stop()
    file = new_file(tmp_path, "direct.bin")
    programs.mshare("alice", "send", file, "bob@b.example")
    received(programs, "bob", file, tmp_path)
    by_number = new_file(tmp_path, "by number.bin")
    programs.mshare("bob", "send", by_number, alice)  # known: nobody is asked
    received(programs, "alice", by_number, tmp_path)
    refused = programs.mshare("alice", "send", file, "+14155550103", expect=UNAVAILABLE)
    assert "cannot be reached" in refused.err
    programs.servers["r"].start()
    programs.mshare("bob", "number", "policy", "contacts")
    programs.mshare("alice", "send", file, bob)  # he has asked her before


def test_attend_says_what_comes(programs: Programs, tmp_path: Path) -> None:
    alice, bob = programs.log_in_number("alice"), programs.log_in_number("bob")
    profile = programs.account("bob")["profile"]
    attending = subprocess.Popen(
        [str(BIN / "mshare"), "--profile", profile, "attend", "--json"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert attending.stdout is not None
    try:
        file = new_file(tmp_path, "attended.bin")
        process = sending(programs, "alice", file, bob)
        asked = json.loads(attending.stdout.readline())
        assert (asked["news"], asked["number"]) == ("request", alice)
        programs.mshare("bob", "accept", asked["id"])
        ended(process)
        news = json.loads(attending.stdout.readline())
        assert (news["news"], news["name"]) == ("offer", file.name)
    finally:
        attending.terminate()
        attending.wait(timeout=30)
        attending.stdout.close()


# Strangers


def mailbox_of(programs: Programs, name: str) -> imaplib.IMAP4_SSL:
    """Log in to the rendezvous as a number, with a client nobody here wrote."""
    facts = programs.account(name)
    imap = imaplib.IMAP4_SSL(
        "127.0.0.1", programs.port("r", "imap"), ssl_context=programs.tls
    )
    imap.login(facts["number"], facts["number_password"])
    return imap


def post_of(programs: Programs, name: str) -> smtplib.SMTP_SSL:
    facts = programs.account(name)
    smtp = smtplib.SMTP_SSL(
        "127.0.0.1", programs.port("r", "submission"), context=programs.tls
    )
    smtp.login(facts["number"], facts["number_password"])
    return smtp


def message(facts: dict[str, Any]) -> str:
    text = json.dumps({"maild": 1, **facts})
    return (
        "Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: application/vnd.maild+json"
        f"\r\n\r\n{text}\r\n"
    )


def request(sender: str, to: str, **more: Any) -> dict[str, Any]:
    return {
        "kind": "address-request",
        "id": "0123456789abcdef",
        "nonce": "fedcba9876543210fedcba9876543210",
        "sender": sender,
        "recipient": to,
        "home": "mallory@b.example",
        "created": 1_700_000_000,
        "expires": 4_000_000_000,
        "trace": "0123456789abcdef",
        **more,
    }


def refusal(smtp: smtplib.SMTP, sender: str, to: str, text: str) -> bytes:
    """Return what the rendezvous says to a message, at whatever command."""
    try:
        smtp.sendmail(sender, [to], text)
    except smtplib.SMTPRecipientsRefused as error:
        return b"%d %s" % error.recipients[to]
    except smtplib.SMTPResponseException as error:
        return f"{error.smtp_code} ".encode() + bytes(error.smtp_error)  # type: ignore[arg-type] # bytes it is
    return b""


def test_strangers_and_forgers_get_nowhere(programs: Programs, tmp_path: Path) -> None:
    for name in ("alice", "bob", "carol"):
        programs.log_in_number(name)
    alice, bob, carol = (
        programs.account(name)["number"] for name in ("alice", "bob", "carol")
    )
    file = new_file(tmp_path, "secret.bin")
    process = sending(programs, "alice", file, bob.partition("@")[0])
    asked = request_at(programs, "bob")

    # Nobody else sees it, decides it, or answers it.
    assert programs.mshare("carol", "requests", "--json").json == []
    programs.mshare("carol", "accept", asked["id"], expect=None)
    response = {
        "kind": "address-response",
        "request": asked["id"],
        "nonce": "0" * 32,
        "sender": alice,
        "recipient": bob,
        "accepted": True,
        "home": "carol@b.example",
        "trace": asked["id"],
    }
    with post_of(programs, "carol") as smtp:
        assert b"5.6.0" in refusal(smtp, carol, alice, message(response))
        assert b"5.7.1" in refusal(smtp, bob, alice, message(response))
        forged = message(request(bob, alice))
        assert b"550 5.7.1" in refusal(smtp, carol, alice, forged)
        late = message(request(carol, alice, expires=1_700_000_001))
        assert b"550 5.4.7" in refusal(smtp, carol, alice, late)
        assert b"550 5.3.3" in refusal(smtp, carol, "bob@b.example", forged)
        library = carol.replace("@", "+library@")
        assert b"550 5.3.3" in refusal(smtp, carol, library, forged)
        assert smtp.docmd("MAIL", f"FROM:<{carol}> SIZE=70000")[1][:5] == b"5.3.3"
    with smtplib.SMTP("127.0.0.1", programs.port("r", "smtp")) as stranger:
        assert b"550 5.3.3" in refusal(
            stranger, "bob@b.example", alice, message(response)
        )
        assert b"550 5.3.3" in refusal(
            stranger, "bob@b.example", "+14155550999@rcs.example", message(response)
        )
    # What lies in a mailbox and only claims to be a response is ignored, and said.
    with mailbox_of(programs, "alice") as imap:
        octets = message(response).encode()
        imap.append("INBOX", r"$AddressResponse", None, octets)
    programs.mshare("bob", "accept", asked["id"])
    out, err = ended(process)
    assert "secret.bin to bob@b.example" in out
    assert "ignored: 1 responses that are not what they claim" in err
    # A request with the id of another one of hers, or home of hers, changes nothing.
    with post_of(programs, "alice") as smtp:
        replayed = message(request(alice, carol, id=asked["id"]))
        assert b"550 5.7.1" in refusal(smtp, alice, carol, replayed)
        assert refusal(smtp, alice, carol, message(request(alice, carol))) == b""
    asked = request_at(programs, "carol")
    assert asked["address"] == "alice@a.example"  # not what she wrote
    assert len(programs.servers["r"].lines(r"status=forged")) == 2
