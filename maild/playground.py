# SPDX-License-Identifier: Apache-2.0
"""Servers on loopback, ready to be started and used: ``maild playground``, the demo.

Writes files and accounts, starts nothing.  The profiles are the terminal's format
(see terminal_client/profile.py), written as text: this package never imports it.
"""

from __future__ import annotations

import datetime
import json
import os
import random
import secrets
import socket
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from maild.complaint import OperatorError
from maild.login import make_keys
from maild.mail.address import Address
from maild.muttrc import muttrc
from maild.operator.console import Records
from maild.store import accounts
from maild.store.house import Store

if TYPE_CHECKING:
    from maild.certificates import Authority

HOST: Final = "127.0.0.1"
SERVERS: Final = {"a": "a.example", "b": "b.example"}
"""Names of the servers that hold content, and their domains."""
RENDEZVOUS: Final = "r"
"""The third server, which everything but numbers works without."""
RENDEZVOUS_DOMAIN: Final = "rcs.example"
PEOPLE: Final = {"alice": "a", "bob": "b", "carol": "b"}
"""Accounts and the servers they live on."""
NUMBERS: Final = {
    "alice": "+14155550101",
    "bob": "+14155550102",
    "carol": "+14155550103",
}
"""The same people's numbers, which are accounts of the rendezvous."""
LISTENERS: Final = ("smtp", "submission", "imap", "http")
ALL_SERVERS: Final = {**SERVERS, RENDEZVOUS: RENDEZVOUS_DOMAIN}
FREE_PORTS: Final = range(20000, 32000)
"""Where free ports are looked for: below what Linux gives to outgoing connections."""

Ports = dict[str, int]


@dataclass(frozen=True, slots=True)
class Playground:
    """What has been written, as playground.json says it."""

    folder: Path
    ports: dict[str, Ports]
    passwords: dict[str, str]
    number_passwords: dict[str, str]

    @property
    def ca(self) -> Path:
        """The authority that every program here trusts."""
        return self.folder / "ca.pem"

    def profile(self, name: str) -> Path:
        """Return a person's terminal profile, for ``mshare --profile``."""
        return self.folder / "profiles" / name

    def facts(self) -> dict[str, Any]:
        """Return what playground.json holds."""
        return {
            "ca": str(self.ca),
            "servers": self.ports,
            "accounts": {
                name: {
                    "address": f"{name}@{SERVERS[server]}",
                    "password": self.passwords[name],
                    "server": server,
                    "profile": str(self.profile(name)),
                    "number": f"{NUMBERS[name]}@{RENDEZVOUS_DOMAIN}",
                    "number_password": self.number_passwords[name],
                }
                for name, server in PEOPLE.items()
            },
        }


def number_login(made: Playground, name: str) -> list[str]:
    """Return the words by which somebody's terminal logs in with his number."""
    ports = made.ports[RENDEZVOUS]
    return [
        "number",
        "login",
        f"{NUMBERS[name]}@{RENDEZVOUS_DOMAIN}",
        "--submission",
        f"{HOST}:{ports['submission']}",
        "--imap",
        f"{HOST}:{ports['imap']}",
        "--ca",
        str(made.ca),
    ]


def make(folder: Path, base_port: int | None = None) -> Playground:
    """Write everything below ``folder``; raise `OperatorError` when it is not empty."""
    folder = Path(os.path.abspath(folder))  # noqa: PTH100 # without the dots
    if folder.exists() and not folder.is_dir():
        raise OperatorError(
            f"{folder} is no directory; name a new one", os.EX_CANTCREAT
        )
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        taken = any(folder.iterdir())
    except OSError as error:
        raise OperatorError(f"{folder}: {error.strerror}", os.EX_CANTCREAT) from error
    if taken:
        raise OperatorError(
            f"{folder} is not empty; name a new directory", os.EX_CANTCREAT
        )
    made = Playground(folder, _ports(base_port), _passwords(), _passwords())
    from maild.certificates import Authority  # large; only what is needed here

    authority = Authority("maild playground", datetime.datetime.now(datetime.UTC))
    made.ca.write_bytes(authority.certificate)
    for server in ALL_SERVERS:
        _write_server(made, server, authority)
        _add_accounts(made, server)
    for name in PEOPLE:
        _write_profile(made, name)
    facts = json.dumps(made.facts(), indent=1) + "\n"
    _write_private(folder / "playground.json", facts.encode())
    return made


def _passwords() -> dict[str, str]:
    return {name: secrets.token_urlsafe(12) for name in PEOPLE}


def _ports(base_port: int | None) -> dict[str, Ports]:
    wanted = len(ALL_SERVERS) * len(LISTENERS)
    numbers = (
        _free_ports(wanted)
        if base_port is None
        else list(range(base_port, base_port + wanted))
    )
    each = iter(numbers)
    return {
        server: {listener: next(each) for listener in LISTENERS}
        for server in ALL_SERVERS
    }


def _free_ports(wanted: int) -> list[int]:
    """Return ports nobody listens at; all are held until all are found."""
    numbers: list[int] = []
    with ExitStack() as held:
        for port in random.sample(FREE_PORTS, len(FREE_PORTS)):
            probe = held.enter_context(socket.socket())
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            numbers.append(port)
            if len(numbers) == wanted:
                return numbers
    raise OperatorError("there are not enough free ports", os.EX_UNAVAILABLE)


def _write_server(made: Playground, server: str, authority: Authority) -> None:
    domain, ports = ALL_SERVERS[server], made.ports[server]
    home = made.folder / server
    home.mkdir(mode=0o700)
    pair = authority.issue([domain, "localhost", HOST])
    (home / "certificate.pem").write_bytes(pair.certificate)
    _write_private(home / "key.pem", pair.key)
    peers = "".join(
        f'\n[peer."{name}"]\naddress = "{HOST}:{made.ports[other]["smtp"]}"\n'
        for other, name in ALL_SERVERS.items()
        if other != server
    )
    role = ""
    if server == RENDEZVOUS:
        role = f'\n[rendezvous]\ndomains = ["{domain}"]\n'
    text = f"""\
# One of the servers on loopback; see conf/maild.toml for every key.
[server]
hostname = "{domain}"
domains = ["{domain}"]
store = "{server}/store"
certificate = "{server}/certificate.pem"
key = "{server}/key.pem"

[smtp]
listen = ["{HOST}:{ports["smtp"]}"]

[submission]
listen = ["{HOST}:{ports["submission"]}"]
listen_starttls = []

[imap]
listen = ["{HOST}:{ports["imap"]}"]

[delivery]
ca_file = "ca.pem"

[http]
listen = ["{HOST}:{ports["http"]}"]
{role}{peers}"""
    (made.folder / f"{server}.toml").write_text(text)


def _add_accounts(made: Playground, server: str) -> None:
    store = Store(made.folder / server / "store")
    store.open()
    try:
        records = Records(store)
        for address, password in _accounts(made, server):
            keys = make_keys(password, secrets.token_bytes(16))
            records.write(
                accounts.create,
                address,
                keys,
                store.clock(),
                is_number=server == RENDEZVOUS,
            )
    finally:
        store.close()


def _accounts(made: Playground, server: str) -> list[tuple[Address, str]]:
    """Return the accounts of a server with their passwords."""
    if server == RENDEZVOUS:
        return [
            (Address(number, RENDEZVOUS_DOMAIN), made.number_passwords[name])
            for name, number in NUMBERS.items()
        ]
    return [
        (Address(name, SERVERS[server]), made.passwords[name])
        for name, lives_on in PEOPLE.items()
        if lives_on == server
    ]


def _write_profile(made: Playground, name: str) -> None:
    server = PEOPLE[name]
    ports, profile = made.ports[server], made.profile(name)
    profile.mkdir(mode=0o700, parents=True)
    text = (
        f'address = "{name}@{SERVERS[server]}"\n'
        f'submission = "{HOST}:{ports["submission"]}"\n'
        f'imap = "{HOST}:{ports["imap"]}"\n'
        'ca = "../../ca.pem"\n'
    )
    _write_private(profile / "profile.toml", text.encode())
    _write_private(profile / "secret", made.passwords[name].encode() + b"\n")
    _write_private(profile / "muttrc", _muttrc(made, name))


def _muttrc(made: Playground, name: str) -> bytes:
    ports = made.ports[PEOPLE[name]]
    address = Address(name, SERVERS[PEOPLE[name]])
    imap, submission = (f"{HOST}:{ports[each]}" for each in ("imap", "submission"))
    return muttrc(address, made.passwords[name], made.ca, imap, submission).encode()


def _write_private(path: Path, octets: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(octets)
