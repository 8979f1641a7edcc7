# SPDX-License-Identifier: GPL-3.0-only
"""Cards: what `mshare me` gives away, `mshare add` takes, as a text or a picture."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import pytest

from maild.mail.address import parse_address
from terminal_client import card, contact_uri
from terminal_client.cli import main
from terminal_client.contacts import Contact
from terminal_client.errors import (
    CannotCreateError,
    ContentError,
    NoInputError,
    UsageError,
)

BOB = Contact(
    parse_address("bob@b.example"), "B <\"&'> Ö", "+14155550102", "rcs.example"
)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two terminals, alice's and bob's."""
    for name, domain in (("alice", "a.example"), ("bob", "b.example")):
        profile = tmp_path / name / "profile.toml"
        profile.parent.mkdir()
        profile.write_text(
            f'address = "{name}@{domain}"\nsubmission = "{domain}:465"\n'
            f'imap = "{domain}:993"\n'
        )
    monkeypatch.setenv("MSHARE_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def said(capfd: pytest.CaptureFixture[str], *words: str, status: int = 0) -> str:
    assert main(words) == status
    out, err = capfd.readouterr()
    return out + err


def test_a_picture_says_it_in_words_too(tmp_path: Path) -> None:
    path = tmp_path / "bob.svg"
    card.save(path, card.drawn(contact_uri.write(BOB), "svg"), force=False)
    assert card.read(str(path)) == BOB


@pytest.mark.parametrize("text", ["{}", "Write to:\n  {}\n", "<a href='{}'>Bob</a>"])
def test_a_text_with_one_in_it(tmp_path: Path, text: str) -> None:
    plain = Contact(BOB.address, "Bob", BOB.number, BOB.rendezvous)
    path = tmp_path / "bob.txt"
    path.write_text(text.format(contact_uri.write(plain)))
    if "'" not in text:  # an apostrophe may be part of a URI (RFC 3986 §2.2)
        assert card.read(str(path)) == plain


@pytest.mark.parametrize(
    ("octets", "why"),
    [
        (b"", "no maild: URI"),
        (b"xmaild:bob@b.example", "no maild: URI"),
        (b"maild:bob@b.example maild:eve@b.example", "several"),
        (b"\x89PNG\r\n\x1a\n" + b"maild:bob@b.example", "picture"),
        (b"\xff" * 70_000, "too large"),
        (b"maild:bob", "no address to remember: its mail address is none"),
    ],
)
def test_a_file_that_is_no_card(tmp_path: Path, octets: bytes, why: str) -> None:
    path = tmp_path / "card"
    path.write_bytes(octets)
    with pytest.raises(ContentError, match=why):
        card.read(str(path))


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ContentError, match="is no file"):
        card.read(str(tmp_path / "pipe"))
    with pytest.raises(NoInputError, match="neither"):
        card.read(str(tmp_path / "nothing"))


def test_a_file_is_not_replaced_by_accident(tmp_path: Path) -> None:
    path = tmp_path / "me.png"
    card.save(path, b"1", force=False)
    with pytest.raises(CannotCreateError, match="--force"):
        card.save(path, b"2", force=False)
    card.save(path, b"3", force=True)
    assert path.read_bytes() == b"3"


def test_a_code_is_drawn_and_is_a_picture() -> None:
    screen = io.StringIO()
    card.draw(contact_uri.write(BOB), screen)
    lines = screen.getvalue().split("\n")[:-1]
    assert 20 < len(lines) < 40
    assert len({len(line) for line in lines}) == 1
    assert card.drawn("maild:bob@b.example", "png").startswith(b"\x89PNG\r\n")


def test_a_screen_without_blocks_is_told() -> None:
    with pytest.raises(UsageError, match="--png"):
        card.draw("maild:bob@b.example", io.TextIOWrapper(io.BytesIO(), "ascii"))


def test_two_terminals_exchange_their_addresses(
    home: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = said(capfd, "me", "--profile", "bob", "--name", "Bob B.").strip()
    assert uri == "maild:bob@b.example?name=Bob%20B."
    assert said(capfd, "me", "--profile", "bob").strip() == uri  # it is remembered
    told = said(capfd, "me", "--profile", "bob", "--svg", "bob.svg", "--json")
    assert json.loads(told)["uri"] == uri
    for what in (uri, "bob.svg"):
        remembered = said(capfd, "add", "--profile", "alice", what)
        assert remembered == "remembered: Bob B. <bob@b.example>\n"
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(uri.encode())))
    assert "Bob B." in said(capfd, "add", "--profile", "alice", "-")
    (known,) = json.loads(said(capfd, "contacts", "--profile", "alice", "--json"))
    assert (known["address"], known["name"]) == ("bob@b.example", "Bob B.")
    assert said(capfd, "contacts", "--profile", "bob") == ""  # oneself is no contact
    gone = said(capfd, "contacts", "rm", "bob b.", "--profile", "alice")
    assert gone == "forgotten: Bob B. <bob@b.example>\n"
    again = said(capfd, "contacts", "rm", "bob b.", "--profile", "alice", status=66)
    assert "there is no contact bob b." in again


def test_ones_own_number_is_on_the_card(
    home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    login = home / "bob" / "number" / "profile.toml"
    login.parent.mkdir()
    login.write_text(
        'address = "+14155550102@rcs.example"\nsubmission = "r:1"\nimap = "r:2"\n'
    )
    assert said(capfd, "me", "--profile", "bob", "--name", "Bob").strip() == (
        "maild:bob@b.example?name=Bob&number=%2B14155550102&rendezvous=rcs.example"
    )


def test_what_cannot_be_added_says_why(
    home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    add = ("add", "--profile", "alice")
    own = said(capfd, *add, "maild:alice@a.example", status=64)
    assert "your own address" in own
    neither = said(capfd, *add, "bob@b.example", status=66)
    assert "neither a maild: URI nor a file; write maild:bob@b.example?name=" in neither
    bad = said(capfd, *add, "maild:bob@b.example?name=%0A", status=65)
    assert "nobody can see" in bad
    numbered = "maild:{}@b.example?number=%2B14155550102&rendezvous=rcs.example"
    said(capfd, *add, numbered.format("bob"))
    taken = said(capfd, *add, numbered.format("eve"), status=64)
    assert "known as that of bob@b.example" in taken
    assert "reads like" in said(capfd, *add, "maild:c@d", "--name", "+1", status=64)
    assert "can be seen" in said(capfd, *add, "maild:c@d", "--name", " ", status=64)


def test_a_name_of_two_is_told(home: Path, capfd: pytest.CaptureFixture[str]) -> None:
    add = ("add", "--profile", "alice")
    said(capfd, *add, "maild:bob@b.example?name=Bob")
    told = said(capfd, *add, "maild:bob@c.example?name=bob")
    assert "also the name of bob@b.example" in told
    wrong = said(capfd, "contacts", "rm", "--profile", "alice", status=64)
    assert "rm WHO" in wrong
