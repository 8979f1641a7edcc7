# SPDX-License-Identifier: Apache-2.0
"""The playground is complete, private, and what playground.json says."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import shlex
import stat
import sys
import tomllib
from pathlib import Path

import pytest

from maild import app, config, playground
from maild.cli import main
from maild.complaint import OperatorError
from maild.mail.address import parse_address
from maild.operator.console import Records
from maild.store import accounts
from maild.store.house import Store


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> playground.Playground:
    return playground.make(tmp_path_factory.mktemp("playground"), 24000)


def test_facts(made: playground.Playground) -> None:
    facts = json.loads((made.folder / "playground.json").read_text())
    assert Path(facts["ca"]).read_text().startswith("-----BEGIN CERTIFICATE-----")
    listeners = ["smtp", "submission", "imap", "http"]
    assert facts["servers"] == {
        "a": dict(zip(listeners, range(24000, 24004), strict=True)),
        "b": dict(zip(listeners, range(24004, 24008), strict=True)),
        "r": dict(zip(listeners, range(24008, 24012), strict=True)),
    }
    alice = facts["accounts"]["alice"]
    assert set(alice) == {
        "address",
        "password",
        "server",
        "profile",
        "number",
        "number_password",
    }
    assert alice["number"] == "+14155550101@rcs.example"
    assert (alice["address"], alice["server"]) == ("alice@a.example", "a")
    bob = facts["accounts"]["bob"]
    assert (bob["address"], bob["server"]) == ("bob@b.example", "b")
    assert alice["password"] != bob["password"]


@pytest.mark.parametrize(("name", "other"), [("a", "b"), ("b", "a")])
def test_servers(made: playground.Playground, name: str, other: str) -> None:
    read = config.load(made.folder / f"{name}.toml")
    identity = app.identity_of(read)
    assert identity.domains == {f"{name}.example"}
    assert read.delivery.ca_file == str(made.ca)
    smtp = made.ports[other]["smtp"]
    assert read.peers[f"{other}.example"].address == f"127.0.0.1:{smtp}"
    for listen in (read.smtp, read.submission, read.imap, read.http):
        assert all(place.startswith("127.0.0.1:") for place in listen.listen)


def test_the_third_server_is_a_rendezvous(made: playground.Playground) -> None:
    read = config.load(made.folder / "r.toml")
    identity = app.identity_of(read)
    assert identity.domains == identity.rendezvous == {"rcs.example"}
    assert set(read.peers) == {"a.example", "b.example"}
    store = Store(made.folder / "r" / "store")
    store.open()
    found = Records(store).read(accounts.everyone)
    store.close()
    assert [account.address.local for account in found] == [
        "+14155550101",
        "+14155550102",
        "+14155550103",
    ]
    for other in ("a", "b"):
        peers = config.load(made.folder / f"{other}.toml").peers
        assert peers["rcs.example"].address == f"127.0.0.1:{made.ports['r']['smtp']}"


@pytest.mark.parametrize("name", list(playground.PEOPLE))
def test_accounts_have_the_passwords(made: playground.Playground, name: str) -> None:
    facts = made.facts()["accounts"][name]
    store = Store(made.folder / facts["server"] / "store")
    store.open()
    found = Records(store).read(accounts.find, parse_address(facts["address"]))
    store.close()
    assert found is not None
    salted = hashlib.pbkdf2_hmac(
        "sha256", facts["password"].encode(), found.keys.salt, found.keys.iterations
    )
    client = hmac.digest(salted, b"Client Key", "sha256")
    assert hashlib.sha256(client).digest() == found.keys.stored_key


def test_profiles(made: playground.Playground) -> None:
    facts = made.facts()["accounts"]["bob"]
    folder = Path(facts["profile"])
    profile = tomllib.loads((folder / "profile.toml").read_text())
    assert profile == {
        "address": "bob@b.example",
        "submission": f"127.0.0.1:{made.ports['b']['submission']}",
        "imap": f"127.0.0.1:{made.ports['b']['imap']}",
        "ca": "../../ca.pem",
    }
    assert (folder / profile["ca"]).resolve() == made.ca.resolve()
    assert (folder / "secret").read_text() == facts["password"] + "\n"


def test_secrets_are_private(made: playground.Playground) -> None:
    secret = ["playground.json", "a/key.pem", "b/key.pem", "r/key.pem"]
    secret += [f"profiles/{name}/secret" for name in playground.PEOPLE]
    for name in secret:
        assert stat.S_IMODE((made.folder / name).stat().st_mode) == 0o600, name
    for password in [*made.passwords.values(), *made.number_passwords.values()]:
        holders = {
            str(path.relative_to(made.folder))
            for path in made.folder.rglob("*")
            if path.is_file() and password.encode() in path.read_bytes()
        }
        assert holders <= {*secret, *(f"profiles/{n}/muttrc" for n in made.passwords)}


def test_a_folder_in_use_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("precious")
    with pytest.raises(OperatorError, match="is not empty"):
        playground.make(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["mine"]


def test_free_ports_differ(tmp_path: Path) -> None:
    ports = playground.make(tmp_path / "new").ports
    numbers = [number for server in ports.values() for number in server.values()]
    assert len(set(numbers)) == 12


def test_a_file_is_no_place_for_it(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(OperatorError, match="is no directory; name a new one"):
        playground.make(file)


def printed(capsys: pytest.CaptureFixture[str], folder: Path) -> list[list[str]]:
    """Return the commands that `maild playground` prints, as a shell reads them."""
    assert main(["playground", str(folder)]) == os.EX_OK
    lines = capsys.readouterr().out.splitlines()
    return [
        shlex.split(each) for each in lines if "--config" in each or "--pro" in each
    ]


def test_what_is_printed_can_be_typed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    found = printed(capsys, tmp_path / "a b")
    assert len(found) == 10
    for program, option, *_ in found:
        assert Path(program).parent == Path(sys.executable).parent
        assert Path(program).exists()
        assert option in ("serve", "--profile")
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    assert {words[0] for words in printed(capsys, tmp_path / "c")} == {
        "maild",
        "mshare",
    }
