# SPDX-License-Identifier: Apache-2.0
"""The operator's verbs, in one process: what they print, and their statuses."""

from __future__ import annotations

import io
import json
import os

import apsw
import pytest

from maild.cli import main
from maild.complaint import OperatorError
from maild.mail.address import parse_address
from maild.operator import sizes
from maild.operator.console import Records
from maild.store import (
    accounts,
)
from tests.unit.operators import Operator


def test_check_config(maild: Operator) -> None:
    assert maild("check-config") == f"{maild.file}: ok\n"
    maild.file.write_text(maild.file.read_text() + "\n[smpt]\n")
    maild("check-config", status=os.EX_CONFIG)
    assert maild.complaint.startswith(f"maild: {maild.file}: [smpt] no such table")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"b/store"', '"/proc/store"', "store: /proc/store: cannot be written"),
        ('"b/store"', '"b/key.pem"', "key.pem: cannot be written: Not a directory"),
    ],
)
def test_a_store_that_cannot_be(maild: Operator, old: str, new: str, said: str) -> None:
    maild.file.write_text(maild.file.read_text().replace(old, new))
    maild("check-config", status=os.EX_CONFIG)
    assert said in maild.complaint


def test_a_store_that_is_not_there_yet_leaves_none(maild: Operator) -> None:
    maild.file.write_text(maild.file.read_text().replace('"b/store"', '"new/store"'))
    maild("check-config")
    assert maild.complaint == ""
    assert not (maild.file.parent / "new").exists()


def test_a_name_that_no_certificate_says(maild: Operator) -> None:
    text = maild.file.read_text()
    named = text.replace('hostname = "b.example"', 'hostname = "mail.b.example"')
    maild.file.write_text(named)
    assert maild("check-config") == f"{maild.file}: ok\n"
    assert "mail.b.example is not in the certificate (b.ex" in maild.complaint


def test_config_may_stand_anywhere(
    maild: Operator, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = str(maild.file)
    listings = [
        ["--config", file, "account", "ls"],
        ["account", "ls", "--config", file],
    ]
    listings += [["account", "--config", file, "ls"]]
    for words in listings:
        assert main(words) == os.EX_OK
        assert "carol@b.example" in capsys.readouterr().out
    monkeypatch.setenv("MAILD_CONFIG", file)
    assert main(["account", "ls"]) == os.EX_OK


def test_usage(maild: Operator, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["nosuch"]) == os.EX_USAGE
    assert main(["explain", "--nosuch"]) == os.EX_USAGE
    assert main(["--help"]) == os.EX_OK
    maild("serve", "--only", "smtpd,kitchen", status=os.EX_USAGE)
    assert "kitchen" in maild.complaint


def test_accounts_come_and_go(maild: Operator) -> None:
    made = maild("account", "add", "Dave@B.example")
    assert "Dave@b.example has been added" in made
    assert "password: " in made
    maild("account", "add", "dave@b.example", status=os.EX_CANTCREAT)
    assert "there already" in maild.complaint
    found = {a["address"] for a in maild.json("account", "ls")}
    assert found == {"bob@b.example", "carol@b.example", "dave@b.example"}
    maild("account", "rm", "dave@b.example", status=os.EX_USAGE)
    assert "--yes" in maild.complaint
    maild("account", "rm", "dave@b.example", "--yes")
    assert len(maild.json("account", "ls")) == 2


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("alice@rcs.example", "a number begins with +"),
        ("+1415@rcs.example", "a number begins with +"),
        ("+9995550101@rcs.example", "no country has such a number"),
        ("+441234567890+x@rcs.example", "a number begins with +"),
        ("+4401212345678@rcs.example", "the form of this number is +441212345678"),
    ],
)
def test_accounts_of_a_rendezvous_are_numbers(
    maild: Operator, address: str, why: str
) -> None:
    rendezvous = str(maild.file.with_name("r.toml"))
    words = ("add", address, "--generate", "--config", rendezvous)
    maild("account", *words, status=os.EX_DATAERR)
    assert why in maild.complaint
    added = maild("account", "add", "+14155550109@rcs.example", *words[2:])
    assert added.startswith("+14155550109@rcs.example has been added")


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("dave@a.example", "this server has b.example only"),
        ("dave", "@-sign"),
        ("a b@b.example", "characters"),
        ("dave+tag@b.example", "not part of an account"),
        ("dave@[127.0.0.1]", "not allowed"),
    ],
)
def test_addresses_that_cannot_be_accounts(
    maild: Operator, address: str, said: str
) -> None:
    maild("account", "add", address, status=os.EX_DATAERR)
    assert said in maild.complaint


def test_a_given_password_is_never_shown(
    maild: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("correct horse\n"))
    said = maild("account", "passwd", "bob@b.example", "--password-stdin")
    assert said == "bob@b.example has a new password\n"
    monkeypatch.setattr("sys.stdin", io.StringIO("short\n"))
    maild(
        "account", "passwd", "bob@b.example", "--password-stdin", status=os.EX_DATAERR
    )
    maild("account", "passwd", "nobody@b.example", status=os.EX_NOUSER)


def test_policy(maild: Operator) -> None:
    shown = maild.json("account", "policy", "bob@b.example")
    assert shown["policy"] == "ask"
    maild("account", "policy", "bob@b.example", "contacts", "--size", "10G")
    shown = maild.json("account", "policy", "bob@b.example")
    assert (shown["policy"], shown["policy_size"]) == ("contacts", 10 * 10**9)
    shown = maild("account", "policy", "bob@b.example", "anyone")
    assert "anyone, up to 10.0 GB" in shown
    shown = maild("account", "policy", "carol@b.example", "contacts")
    assert "contacts, up to 1.0 GB" in shown
    maild("account", "policy", "carol@b.example", "--size", "0")
    assert maild.json("account", "policy", "carol@b.example")["policy_size"] == 0
    maild("account", "policy", "bob@b.example", "--size", "much", status=os.EX_USAGE)


def test_quota(maild: Operator) -> None:
    shown = maild.json("account", "quota", "bob@b.example")
    assert (shown["used"], shown["quota"]) == (shown["held"], None)
    maild("account", "quota", "bob@b.example", "10G")
    assert "10.0 GB" in maild("account", "quota", "bob@b.example")
    (bob,) = (a for a in maild.json("account", "ls") if a["address"] == "bob@b.example")
    assert (bob["used"], bob["quota"]) == (shown["used"], 10**10)
    maild("account", "quota", "bob@b.example", "none")
    assert maild.json("account", "quota", "bob@b.example")["quota"] is None
    maild("account", "quota", "bob@b.example", "much", status=os.EX_USAGE)
    maild("account", "quota", "nobody@b.example", "1G", status=os.EX_NOUSER)


@pytest.mark.parametrize(
    ("text", "octets"),
    [
        ("1", 1),
        ("1K", 1000),
        ("1kB", 1000),
        ("10G", 10**10),
        ("1Ki", 1024),
        ("3MiB", 3 * 2**20),
        ("1T", 10**12),
    ],
)
def test_sizes_are_read_as_they_are_shown(text: str, octets: int) -> None:
    assert sizes.parse(text) == octets


@pytest.mark.parametrize("text", ["", "G", "1i", "-1K", "1.5G", "1KK"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(OperatorError, match="Ki"):
        sizes.parse(text)


def test_explain_takes_a_configuration_as_every_verb(maild: Operator) -> None:
    assert maild("explain", "5.7.1").startswith("5.7.1 ")


def test_explain(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "550 5.7.1 no"]) == os.EX_OK
    shown = capsys.readouterr().out
    assert shown.startswith("5.7.1  Delivery not authorized, message refused\n")
    assert main(["explain"]) == os.EX_OK
    assert "4.3.0" in capsys.readouterr().out
    assert main(["explain", "5.7.1", "--json"]) == os.EX_OK
    assert json.loads(capsys.readouterr().out)["code"] == "5.7.1"
    assert main(["explain", "9.9.9"]) == os.EX_NOINPUT


def test_store_verbs(maild: Operator) -> None:
    assert maild("fsck") == "the store is sound\n"
    assert maild("gc") == "removed 0 blobs, 0 files, 0 octets\n"

    def keep(records: Records) -> None:
        blob = records.store.blobs.create()
        blob.append(b"x" * 100_000)
        blob.seal()

    maild.with_store(keep)
    store = maild.file.parent / "b" / "store"
    (file,) = (p for p in (store / "blobs").rglob("*") if p.is_file())
    file.chmod(0o600)
    file.write_bytes(b"y" * 100_000)
    assert "wrong digest" in maild("fsck", status=os.EX_DATAERR)
    assert maild.complaint == "maild: 1 of 1 findings remain\n"


def test_without_a_store(maild: Operator) -> None:
    maild.file.write_text(maild.file.read_text().replace('"b/store"', '"c/store"'))
    maild("queue", "ls", status=os.EX_NOINPUT)
    assert "there is no store yet" in maild.complaint


def test_an_index_of_a_newer_version_is_not_tried_again(maild: Operator) -> None:
    index = apsw.Connection(str(maild.file.parent / "b" / "store" / "index.sqlite"))
    index.pragma("user_version", 999)
    index.close()
    maild("queue", "ls", status=os.EX_DATAERR)
    assert "newer maild" in maild.complaint


def test_accounts_are_seen_by_the_store(maild: Operator) -> None:
    maild("account", "add", "dave@b.example")

    def look(records: Records) -> None:
        found = records.read(accounts.find, parse_address("dave+x@b.example"))
        assert found is not None

    maild.with_store(look)
