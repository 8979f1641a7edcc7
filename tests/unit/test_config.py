# SPDX-License-Identifier: Apache-2.0
"""The configuration file: what is read, what is refused, what is generated."""

from __future__ import annotations

import tomllib
from dataclasses import fields
from pathlib import Path

import pytest

from maild import config
from maild.smtpd.settings import SmtpSettings

ROOT = Path(__file__).parents[2]
SERVER = """
[server]
hostname = "mx.a.example"
domains = ["a.example"]
certificate = "cert.pem"
"""


def loaded(folder: Path, text: str) -> config.Configuration:
    file = folder / "maild.toml"
    file.write_text(text)
    return config.load(file)


def complaint(folder: Path, text: str) -> str:
    with pytest.raises(config.ConfigError) as caught:
        loaded(folder, text)
    said = str(caught.value)
    prefix = f"{folder / 'maild.toml'}: "
    assert said.startswith(prefix)
    return said.removeprefix(prefix)


def test_defaults_and_values(tmp_path: Path) -> None:
    read = loaded(tmp_path, SERVER + "[imap]\nidle_timeout = 60\n")
    assert read.server.hostname == "mx.a.example"
    assert read.imap.idle_timeout == 60.0
    assert isinstance(read.imap.idle_timeout, float)
    assert read.smtp == SmtpSettings()
    assert read.peers == {}


def test_a_rendezvous_is_for_domains_that_live_here(tmp_path: Path) -> None:
    two = SERVER.replace('"a.example"]', '"a.example", "RCS.example"]')
    read = loaded(tmp_path, two + '[rendezvous]\ndomains = ["rcs.example"]\n')
    assert read.rendezvous.domains == ("rcs.example",)
    said = complaint(tmp_path, SERVER + '[rendezvous]\ndomains = ["rcs.example"]\n')
    assert said == (
        "[rendezvous] domains: rcs.example is not among the domains of [server]"
    )
    said = complaint(tmp_path, SERVER + '[rendezvous]\ndomains = ["[192.0.2.1]"]\n')
    assert "must be names such as rcs.example.org" in said


@pytest.mark.parametrize(
    ("smtp", "imap", "clash"),
    [
        ("192.0.2.1:25", "192.0.2.1:25", True),
        ("0.0.0.0:25", "192.0.2.1:25", True),
        ("[::1]:25", "[::]:25", True),
        ("0.0.0.0:25", "[::]:25", False),
        ("192.0.2.1:25", "192.0.2.2:25", False),
        ("127.0.0.1:0", "127.0.0.1:0", False),
    ],
)
def test_an_address_is_of_one_listener(
    tmp_path: Path, smtp: str, imap: str, *, clash: bool
) -> None:
    text = f'{SERVER}[smtp]\nlisten = ["{smtp}"]\n[imap]\nlisten = ["{imap}"]\n'
    if clash:
        assert complaint(tmp_path, text) == (
            f"[imap] listen: {imap} is taken: [smtp] listen has {smtp}"
        )
    else:
        assert loaded(tmp_path, text).imap.listen == (imap,)


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    more = 'store = "here"\nkey = "/etc/key.pem"\n[delivery]\nca_file = "ca.pem"\n'
    read = loaded(tmp_path, SERVER + more)
    assert read.server.store == str(tmp_path / "here")
    assert read.server.certificate == str(tmp_path / "cert.pem")
    assert read.server.key == "/etc/key.pem"
    assert read.delivery.ca_file == str(tmp_path / "ca.pem")


def test_peers_are_keyed_by_lower_case_domain(tmp_path: Path) -> None:
    read = loaded(tmp_path, SERVER + '[peer."B.Example"]\naddress = "192.0.2.1:25"\n')
    assert read.peers["b.example"].address == "192.0.2.1:25"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "[server] hostname is missing"),
        (
            '[server]\nhostname = "a b"',
            "[server] hostname must be a name such as mail.example.org, not 'a b'",
        ),
        (SERVER + "[smpt]", "[smpt] no such table; there are server, smtp,"),
        (SERVER + "[smtp]\nsize = 1", "[smtp] size: no such key; there are listen,"),
        (
            SERVER + '[smtp]\nsize_limit = "1G"',
            "[smtp] size_limit must be a whole number, not '1G'",
        ),
        (
            SERVER + "[smtp]\nconnections = true",
            "[smtp] connections must be a whole number, not True",
        ),
        (
            SERVER + "[smtp]\nconnections = 0",
            "[smtp] connections must be greater than 0",
        ),
        (
            SERVER + "[queue]\ndelay_warning = -1",
            "[queue] delay_warning must not be negative",
        ),
        (
            SERVER + '[smtp]\nlisten = "0.0.0.0:25"',
            "[smtp] listen must be a list, each member a text",
        ),
        (
            SERVER + '[smtp]\nlisten = ["0.0.0.0"]',
            "[smtp] listen must be host:port, not '0.0.0.0'",
        ),
        (
            SERVER + '[delivery]\nprivate_networks = ["10.0.0.1/8"]',
            "[delivery] private_networks must be networks such as",
        ),
        (
            SERVER + '[peer."b.example"]\nfingerprint = "aa"',
            '[peer."b.example"] fingerprint must be the 64 hex digits',
        ),
        (SERVER + '[peer."b c"]', '[peer."b c"] the domain must be a name'),
        (SERVER + "[queue", "is not TOML: "),
        ("queue = 1" + SERVER, "[queue] must be a table"),
    ],
)
def test_complaints_name_file_table_and_key(
    tmp_path: Path, text: str, said: str
) -> None:
    assert complaint(tmp_path, text).startswith(said)


def test_a_missing_file_is_a_complaint(tmp_path: Path) -> None:
    with pytest.raises(config.ConfigError, match="no such file"):
        config.load(tmp_path / "none.toml")


def test_generated_documents_are_up_to_date() -> None:
    shown = (ROOT / "conf" / "maild.toml").read_text(encoding="utf-8")
    assert shown == config.example(), "run: python -m maild.config ."
    told = (ROOT / "docs" / "config.md").read_text(encoding="utf-8")
    assert told == config.reference(), "run: python -m maild.config ."


def test_the_example_shows_every_default_of_every_key() -> None:
    lines = config.example().splitlines()
    values = "\n".join(line.removeprefix("#") for line in lines if line[:2] != "# ")
    shown = tomllib.loads(values)
    for name, kind in config.TABLES.items():
        for declared in fields(kind):
            default = declared.default
            wanted = list(default) if isinstance(default, tuple) else default
            assert shown[name][declared.name] == wanted
    assert set(shown["peer"]["b.example"]) == {
        "address",
        "fingerprint",
        "plain",
        "secret",
        "call",
    }
