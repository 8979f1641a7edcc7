# SPDX-License-Identifier: GPL-3.0-only
"""Which folders are watched: what is remembered, and what is asked."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from terminal_client.errors import ContentError, NoInputError, SetUpError
from terminal_client.folders import asking, chosen
from terminal_client.folders.chosen import Chosen
from tests.unit.terminal_client.folders.systemctl import Systemctl, profile


class Typed(io.StringIO):
    """A terminal at which somebody has typed this."""

    def isatty(self) -> bool:
        return True


def at_terminal(patch: pytest.MonkeyPatch, typed: str) -> None:
    """Let somebody sit there, who types this."""
    patch.setattr("sys.stdout", Typed())
    patch.setattr("sys.stdin", Typed(typed))


def test_what_is_remembered(tmp_path: Path) -> None:
    who = profile(tmp_path)
    assert chosen.load(who) == Chosen()
    wanted = Chosen((tmp_path / 'a "quoted" \\ é', Path("/b")), on_metered=True)
    chosen.save(who, wanted)
    assert chosen.load(who) == wanted
    assert chosen.chosen_file(who).stat().st_mode & 0o777 == 0o600
    with pytest.raises(ContentError):
        chosen.save(who, Chosen((Path(os.fsdecode(b"/\xff")),)))
    chosen.forget(who)
    assert chosen.load(who) == Chosen()


@pytest.mark.parametrize("text", ["folders = 1", "folders = [1]", "\xff", "folders"])
def test_what_cannot_be_understood(tmp_path: Path, text: str) -> None:
    who = profile(tmp_path)
    chosen.chosen_file(who).write_text(text, encoding="latin-1")
    with pytest.raises(SetUpError, match=r"watch\.toml"):
        chosen.load(who)


def test_roots(tmp_path: Path) -> None:
    for name in ("a/b/c", "ab", "d"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "link").symlink_to("d")
    (tmp_path / "file").touch()
    names = ("a/b", "a", "ab", "link", "a/b/c", "a/../a")
    found = chosen.roots(tmp_path / name for name in names)
    assert found == [tmp_path / "a", tmp_path / "ab", tmp_path / "d"]
    for name in ("file", "missing"):
        with pytest.raises(NoInputError):
            chosen.roots([tmp_path / name])
    patient = chosen.roots([tmp_path / "missing"], patient=True)
    assert patient == [tmp_path / "missing"]


def test_nobody_is_asked_but_at_a_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, systemctl: Systemctl
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{tmp_path}\n"))
    asking.at_login(profile(tmp_path), [], never=False)
    assert chosen.load(profile(tmp_path)) == Chosen()
    assert systemctl.heard == []


def test_it_is_off_unless_somebody_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, systemctl: Systemctl
) -> None:
    who = profile(tmp_path / "default")
    for nothing in ("\n", "", "/nowhere\n\n"):
        at_terminal(monkeypatch, nothing)
        asking.at_login(who, [], never=False)
        assert chosen.load(who) == Chosen()
    at_terminal(monkeypatch, f"/nowhere\n{tmp_path}\n")
    asking.at_login(who, [], never=False)
    assert chosen.load(who) == Chosen((tmp_path,))
    assert "restart mshare-watch.service" in systemctl.heard
    # Whoever has said so is not asked again.
    at_terminal(monkeypatch, "/nowhere\n")
    asking.at_login(who, [], never=False)
    asking.at_login(who, [], never=True)
    assert chosen.load(who) == Chosen()
    assert "disable --now mshare-watch.service" in systemctl.heard


def test_without_systemd_login_is_login(
    tmp_path: Path, systemctl: Systemctl, capsys: pytest.CaptureFixture[str]
) -> None:
    systemctl.say("echo 'no bus' >&2; exit 1")
    who = profile(tmp_path)
    asking.at_login(who, [tmp_path], never=False)
    assert chosen.load(who) == Chosen((tmp_path,))
    assert "remembered, but systemd" in capsys.readouterr().err
    assert asking.stop(who)
    assert not asking.stop(who)
