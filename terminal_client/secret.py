# SPDX-License-Identifier: GPL-3.0-only
"""Where the password is kept: the desktop's keyring, else a file only we can read.

The keyring is used only when a real one answers (Secret Service, KWallet, Keychain);
a file-like or null back end is not one.  It is imported only when asked: most commands
find a file.  Everything here blocks: call it in a thread.
"""

from __future__ import annotations

import stat
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from maild.mail.number import is_number
from terminal_client.errors import CannotCreateError, SetUpError
from terminal_client.profile import Profile, write_private

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

T = TypeVar("T")

SERVICE = "mshare"
"""The keyring entry is (SERVICE, profile directory + address)."""


def keep(profile: Profile, password: str) -> str:
    """Store the password; return where, in words for people."""

    def kept(keyring: KeyringBackend) -> bool:
        keyring.set_password(SERVICE, _entry(profile), password)
        return True

    if _in_keyring(kept):
        profile.secret_file.unlink(missing_ok=True)
        return "the keyring"
    try:
        write_private(profile.secret_file, password.encode())
    except OSError as error:
        raise CannotCreateError(
            f"the password cannot be kept in {profile.secret_file}: {error.strerror}"
        ) from error
    return f"{profile.secret_file} (readable by you only)"


def recall(profile: Profile) -> str:
    """Return the password; raise `SetUpError` when it is nowhere."""
    path = profile.secret_file
    try:
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise SetUpError(
                f"others can read the password in {path}; run `chmod 600 {path}`"
            )
        return path.read_bytes().decode().removesuffix("\n").removesuffix("\r")
    except FileNotFoundError:
        pass
    except (OSError, UnicodeDecodeError) as error:
        raise SetUpError(f"{path} cannot be read: {error}") from error
    found = _in_keyring(lambda keyring: keyring.get_password(SERVICE, _entry(profile)))
    if found is None:
        login = "number login" if is_number(profile.address.local) else "login"
        raise SetUpError(
            f"no password is kept for {profile.address}; "
            f"log in again with `mshare {login} {profile.address}`"
        )
    return found


def forget(profile: Profile) -> None:
    """Remove the password wherever it is."""
    profile.secret_file.unlink(missing_ok=True)
    _in_keyring(lambda keyring: keyring.delete_password(SERVICE, _entry(profile)))


def _entry(profile: Profile) -> str:
    return f"{profile.address} {profile.directory}"


def _in_keyring(do: Callable[[KeyringBackend], T]) -> T | None:
    """Do something in the real keyring; None without one, or when it fails."""
    import keyring  # a tenth of the time that a command takes to start
    import keyring.backends.fail
    import keyring.backends.null
    from keyring.errors import KeyringError

    backend = keyring.get_keyring()
    if isinstance(
        backend, keyring.backends.null.Keyring | keyring.backends.fail.Keyring
    ):
        return None
    if float(backend.priority) < 1:
        return None
    try:
        return do(backend)
    except KeyringError:
        return None
