# SPDX-License-Identifier: GPL-3.0-only
"""The password: in a keyring that is one, else in a file that only we can read."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

import keyring
import keyring.backend
import keyring.backends.null
import pytest

from maild.mail.address import parse_address
from terminal_client import secret
from terminal_client.errors import SetUpError
from terminal_client.profile import Place, Profile


class Ring(keyring.backend.KeyringBackend):
    """A keyring in memory, as good as a real one."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call] # keyring is half typed
        self.held: dict[tuple[str, str], str] = {}

    @property
    def priority(self) -> float:
        return 5

    def get_password(self, service: str, username: str) -> str | None:
        return self.held.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.held[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        self.held.pop((service, username))


@pytest.fixture
def who(tmp_path: Path) -> Profile:
    place = Place("a.example", 1)
    return Profile(tmp_path, parse_address("alice@a.example"), place, place)


@pytest.fixture
def no_ring() -> Iterator[None]:
    before = keyring.get_keyring()
    none = keyring.backends.null.Keyring()  # type: ignore[no-untyped-call] # as above
    keyring.set_keyring(none)
    yield
    keyring.set_keyring(before)


@pytest.fixture
def ring() -> Iterator[Ring]:
    before = keyring.get_keyring()
    made = Ring()
    keyring.set_keyring(made)
    yield made
    keyring.set_keyring(before)


@pytest.mark.usefixtures("no_ring")
def test_without_a_keyring_it_is_a_private_file(who: Profile) -> None:
    assert "readable by you only" in secret.keep(who, "pass wörd ")
    assert stat.S_IMODE(who.secret_file.stat().st_mode) == 0o600
    assert secret.recall(who) == "pass wörd "
    secret.forget(who)
    with pytest.raises(SetUpError, match=r"mshare login alice@a\.example"):
        secret.recall(who)


def test_with_a_keyring_there_is_no_file(who: Profile, ring: Ring) -> None:
    assert secret.keep(who, "x") == "the keyring"
    assert not who.secret_file.exists()
    assert secret.recall(who) == "x"
    secret.forget(who)
    assert ring.held == {}


@pytest.mark.usefixtures("no_ring")
def test_a_file_that_others_can_read_is_refused(who: Profile) -> None:
    who.secret_file.write_text("x")
    who.secret_file.chmod(0o640)
    with pytest.raises(SetUpError, match="chmod 600"):
        secret.recall(who)


@pytest.mark.usefixtures("no_ring")
@pytest.mark.parametrize("written", ["x\n", "x\r\n", "x"])
def test_one_line_end_is_not_part_of_it(who: Profile, written: str) -> None:
    who.secret_file.write_bytes(written.encode())
    who.secret_file.chmod(0o600)
    assert secret.recall(who) == "x"
