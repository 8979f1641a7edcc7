# SPDX-License-Identifier: GPL-3.0-only
"""Profiles: where they are, how they are written, what is wrong with them."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from maild.mail.address import parse_address
from terminal_client import profile
from terminal_client.errors import SetUpError
from terminal_client.profile import Place, Profile

GOOD = """address = "alice@a.example"
submission = "a.example:465"
imap = "[::1]:24102"
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MSHARE_HOME", str(tmp_path))
    monkeypatch.delenv("MSHARE_PROFILE", raising=False)
    return tmp_path


def write(home: Path, text: str, name: str = "default") -> None:
    (home / name).mkdir()
    (home / name / "profile.toml").write_text(text)


def test_two_people_share_a_machine(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert profile.profile_directory() == home / "default"
    assert profile.profile_directory("bob") == home / "bob"
    monkeypatch.setenv("MSHARE_PROFILE", "carol")
    assert profile.profile_directory() == home / "carol"
    assert profile.profile_directory("bob") == home / "bob"


def test_a_profile_may_be_a_directory(home: Path, tmp_path: Path) -> None:
    assert profile.profile_directory(f"{tmp_path}/p") == tmp_path / "p"


@pytest.mark.parametrize("name", ["-x", "a b", "a\nb", "x" * 101])
def test_a_name_that_is_none(home: Path, name: str) -> None:
    with pytest.raises(SetUpError, match="cannot name a profile"):
        profile.profile_directory(name)


def test_read(home: Path) -> None:
    write(home, GOOD + 'ca = "../ca.pem"\ntls_name = "imap.a.example"\n')
    found = profile.load()
    assert str(found.address) == "alice@a.example"
    assert found.submission == Place("a.example", 465)
    assert found.imap == Place("::1", 24102)
    assert found.ca == home / "default" / "../ca.pem"
    assert found.tls_name == "imap.a.example"


def test_written_and_read_again(home: Path) -> None:
    made = Profile(
        directory=home / "é",
        address=parse_address('"a\\\\b"@a.example'),
        submission=Place("::1", 1),
        imap=Place("a", 2),
        ca=Path("/x/é \\ 'y'/ca.pem"),
        tls_name=None,
    )
    profile.save(made)
    assert profile.load(str(home / "é")) == made
    file = home / "é" / "profile.toml"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("address = 'x'", "address: there is no @"),
        ("address = 'a@b.example'", "submission is missing"),
        (GOOD.replace("465", "65536"), "between 1 and 65535"),
        (GOOD.replace("[::1]", "a b"), "is not host:port"),
        (GOOD + "color = 'red'", "color: not a key"),
        (GOOD + "ca = 1", "ca: not a text"),
        ("address", "cannot be read"),
    ],
)
def test_what_is_wrong_is_named(home: Path, text: str, complaint: str) -> None:
    write(home, text)
    with pytest.raises(SetUpError, match=r"profile\.toml") as caught:
        profile.load()
    assert complaint in str(caught.value)


def test_nobody_is_logged_in(home: Path) -> None:
    with pytest.raises(SetUpError, match="mshare login"):
        profile.load()
