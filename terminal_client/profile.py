# SPDX-License-Identifier: GPL-3.0-only
"""Who a terminal is: the profile, one directory for each person on a machine.

A profile is a directory, mode 0700::

    <base>/<name>/profile.toml     which account, on which servers
    <base>/<name>/secret           the password, 0600; absent when a keyring holds it
    <base>/<name>/memory.sqlite    Table 1 (`terminal_client.memory`), 0600
    <base>/<name>/watch.toml       watched folders (`terminal_client.folders`), 0600

``<base>`` is ``$MSHARE_HOME`` when set, else ``mshare/profiles`` in the user's
configuration directory.  A profile is named by ``--profile`` or ``$MSHARE_PROFILE``
(default: ``default``); a name with a slash is the path of the directory itself.

``profile.toml``::

    address = "alice@a.example"
    submission = "a.example:465"      # host:port, implicit TLS (RFC 8314)
    imap = "a.example:993"            # host:port, implicit TLS
    ca = "ca.pem"                     # optional: the only authority to trust;
                                      # a relative path starts at the directory
    tls_name = "a.example"            # optional: the name the certificates must
                                      # show, where it is not the host

``secret`` holds the password in UTF-8; one line end after it is ignored.
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from maild.mail import number
from maild.mail.address import Address, AddressError, parse_address
from terminal_client.errors import LOGIN, CannotCreateError, SetUpError

DEFAULT_NAME = "default"
SUBMISSION_PORT = 465
"""Message submission over TLS (RFC 8314 §3.3)."""
IMAP_PORT = 993
"""IMAP over TLS (RFC 8314 §3.2)."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,99}")
_FIELDS = frozenset({"address", "submission", "imap", "ca", "tls_name"})


@dataclass(frozen=True, slots=True)
class Place:
    """A host and a TCP port."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Profile:
    """One person's account, as one terminal knows it."""

    directory: Path
    address: Address
    submission: Place
    imap: Place
    ca: Path | None = None
    tls_name: str | None = None

    @property
    def login(self) -> str:
        """The verb that logs it in: a number is beside the mail address."""
        is_number = number.is_number(self.address.local)
        return "mshare number login" if is_number else LOGIN

    @property
    def memory_file(self) -> Path:
        """Where Table 1 lives."""
        return self.directory / "memory.sqlite"

    @property
    def secret_file(self) -> Path:
        """Where the password lies when no keyring holds it."""
        return self.directory / "secret"

    def to_toml(self) -> str:
        """Return the text of profile.toml."""
        facts = {
            "address": str(self.address),
            "submission": str(self.submission),
            "imap": str(self.imap),
            "ca": str(self.ca) if self.ca else None,
            "tls_name": self.tls_name,
        }
        # A JSON string without \u escapes of surrogates is a TOML basic string.
        return "".join(
            f"{key} = {json.dumps(value, ensure_ascii=False)}\n"
            for key, value in facts.items()
            if value is not None
        )


def profile_directory(name: str | None = None) -> Path:
    """Return the directory of a profile; it need not exist yet."""
    chosen = name or os.environ.get("MSHARE_PROFILE") or DEFAULT_NAME
    if "/" in chosen or chosen in {".", ".."}:
        return Path(chosen).expanduser().absolute()
    if not _NAME.fullmatch(chosen):
        raise SetUpError(
            f"{chosen!r} cannot name a profile; use letters, digits and . _ @ + -"
        )
    return base_directory() / chosen


def base_directory() -> Path:
    """Return where the profiles of this user are kept."""
    home = os.environ.get("MSHARE_HOME")
    if home:
        return Path(home).absolute()
    return platformdirs.user_config_path("mshare") / "profiles"


def load(name: str | None = None) -> Profile:
    """Read a profile; raise `SetUpError` naming file and key."""
    directory = profile_directory(name)
    path = directory / "profile.toml"
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SetUpError(
            f"nobody is logged in here ({path} is missing); "
            "log in first with `mshare login ADDRESS`"
        ) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SetUpError(f"{path} cannot be read: {error}") from error
    try:
        return _profile(directory, found)
    except (KeyError, ValueError) as error:
        why = f"{error.args[0]} is missing" if isinstance(error, KeyError) else error
        raise SetUpError(f"{path}: {why}") from error


def _profile(directory: Path, found: dict[str, object]) -> Profile:
    for key, value in found.items():
        if key not in _FIELDS:
            raise ValueError(f"{key}: not a key of a profile")
        if not isinstance(value, str):
            raise ValueError(f"{key}: not a text")  # noqa: TRY004 # of the file, not of a caller
    texts = {key: str(value) for key, value in found.items()}
    try:
        address = parse_address(texts["address"])
    except AddressError as error:
        raise ValueError(f"address: {error}") from error
    ca = texts.get("ca")
    return Profile(
        directory=directory,
        address=address,
        submission=parse_place(texts["submission"], SUBMISSION_PORT),
        imap=parse_place(texts["imap"], IMAP_PORT),
        ca=directory / ca if ca else None,
        tls_name=texts.get("tls_name"),
    )


def parse_place(text: str, default_port: int) -> Place:
    """Parse ``host``, ``host:port`` or ``[v6]:port``; raise `ValueError`."""
    found = re.fullmatch(
        r"(?:\[([0-9A-Fa-f:.]+)\]|([^\s:\[\]/]+))(?::(\d{1,5}))?", text
    )
    if found is None:
        raise ValueError(f"{text!r} is not host:port")
    port = int(found[3]) if found[3] else default_port
    if not 0 < port < 65536:
        raise ValueError(f"{text!r}: a port is between 1 and 65535")
    return Place(found[1] or found[2], port)


def save(profile: Profile) -> None:
    """Write profile.toml (0600) in its directory (0700)."""
    try:
        profile.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_private(profile.directory / "profile.toml", profile.to_toml().encode())
    except OSError as error:
        raise CannotCreateError(
            f"the profile cannot be written to {profile.directory}: {error.strerror}"
        ) from error


def write_private(path: Path, octets: bytes) -> None:
    """Replace a file by one that only its owner can read, in one step."""
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(handle, "wb") as file:  # noqa: PTH123 # a descriptor, not a path
        file.write(octets)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
