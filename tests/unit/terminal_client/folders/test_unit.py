# SPDX-License-Identifier: GPL-3.0-only
"""The unit that keeps a watch running, with a systemctl of the test's."""

from __future__ import annotations

from pathlib import Path

import pytest

from terminal_client.errors import UnavailableError
from terminal_client.folders import unit
from tests.unit.terminal_client.folders.systemctl import Systemctl, profile


def test_it_comes_and_goes(systemctl: Systemctl, tmp_path: Path) -> None:
    who = profile(tmp_path / "it's 100 % $HOME" / "default")
    place = unit.install(who)
    assert place == tmp_path / "config/systemd/user/mshare-watch.service"
    (line,) = [x for x in place.read_text().splitlines() if x.startswith("ExecStart")]
    assert line.endswith(
        f' --profile "{tmp_path}/it\'s 100 %% $$HOME/default" watch'
    ), line
    assert systemctl.heard == [
        "daemon-reload",
        "enable mshare-watch.service",
        "restart mshare-watch.service",
    ]
    assert unit.uninstall(who)
    assert systemctl.heard[-1] == "disable --now mshare-watch.service"
    assert not place.exists()
    assert not unit.uninstall(who)


def test_one_for_each_profile(systemctl: Systemctl, tmp_path: Path) -> None:
    names = {unit.path(profile(tmp_path / name)).name for name in ("a", "b@x", "b-x")}
    assert names == {
        "mshare-watch-a.service",
        "mshare-watch-b_40_x.service",
        "mshare-watch-b_2d_x.service",
    }


def test_without_systemd_nothing_is_left(systemctl: Systemctl, tmp_path: Path) -> None:
    who = profile(tmp_path / "default")
    systemctl.say("echo 'Failed to connect to bus' >&2; exit 1")
    with pytest.raises(UnavailableError, match="Failed to connect to bus"):
        unit.install(who)
    assert not unit.path(who).exists()


def test_without_systemctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    who = profile(tmp_path / "default")
    with pytest.raises(UnavailableError, match="does not start it for you"):
        unit.install(who)
    unit.path(who).write_text("left by another one")
    assert unit.uninstall(who)
