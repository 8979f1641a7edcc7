# SPDX-License-Identifier: Apache-2.0
"""The configuration file: each station's options, read from TOML and checked.

The same dataclasses write conf/maild.toml and docs/config.md (``python -m maild.config
DIRECTORY``), so neither can drift from the code.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any, Final, TypeVar, get_args, get_origin, get_type_hints

from maild import listeners
from maild.delivery.settings import DeliverySettings, PeerSettings
from maild.imapd.settings import ImapSettings
from maild.mail.address import AddressError, parse_address
from maild.options import option, positive
from maild.queue.settings import QueueSettings
from maild.rendezvous.settings import RendezvousSettings
from maild.smtpd.settings import SmtpSettings, SubmissionSettings
from maild.web.settings import HttpSettings

S = TypeVar("S")

DEFAULT_FILE: Final = Path("/etc/maild/maild.toml")
STATIONS: Final = ("smtpd", "imapd", "queue", "delivery", "calls", "web")
"""What one process can be made of: ``maild serve --only STATION,..``."""


class ConfigError(Exception):
    """The configuration cannot be used; says file, table, key and what is wrong."""

    def __init__(self, file: Path, complaint: str, *, table: str = "") -> None:
        where = f"[{table}] " if table else ""
        super().__init__(f"{file}: {where}{complaint}")


def domain_name(text: str) -> None:
    """Check a domain by the grammar of mail addresses."""
    try:
        domain = parse_address(f"postmaster@{text}").domain
    except AddressError:
        raise ValueError(
            f"must be a name such as mail.example.org, not {text!r}"
        ) from None
    if domain.startswith("["):
        raise ValueError("must be a name, not an address literal")


def _domain_names(texts: Iterable[str]) -> None:
    for text in texts:
        domain_name(text)


def _certificate_file(text: str) -> None:
    if not text:
        raise ValueError("must name a file")


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """[server]  Who this server is, and where it keeps things."""

    hostname: str = option(
        "",
        "Its name in DNS, as told to peers and terminals.  Required.",
        check=domain_name,
    )
    domains: tuple[str, ...] = option(
        (), "Mail domains whose accounts live here.  Required.", check=_domain_names
    )
    store: str = option(
        "/var/lib/maild", "Directory of the index and all content.", path=True
    )
    certificate: str = option(
        "",
        "Certificate chain in PEM, the server's own first.  Required.",
        check=_certificate_file,
        path=True,
    )
    key: str = option(
        "", "Private key in PEM; empty: in the file of the certificate.", path=True
    )

    def __post_init__(self) -> None:
        for name in ("hostname", "domains", "certificate"):
            if not getattr(self, name):
                raise ValueError(f"{name} is missing")


@dataclass(frozen=True, slots=True)
class Configuration:
    """One file, as each station gets its part of it."""

    file: Path
    server: ServerSettings
    smtp: SmtpSettings = field(default_factory=SmtpSettings)
    submission: SubmissionSettings = field(default_factory=SubmissionSettings)
    imap: ImapSettings = field(default_factory=ImapSettings)
    queue: QueueSettings = field(default_factory=QueueSettings)
    delivery: DeliverySettings = field(default_factory=DeliverySettings)
    http: HttpSettings = field(default_factory=HttpSettings)
    rendezvous: RendezvousSettings = field(default_factory=RendezvousSettings)
    peers: Mapping[str, PeerSettings] = field(default_factory=dict)
    """By destination domain, lower case."""


TABLES: Final[dict[str, type[Any]]] = {
    "server": ServerSettings,
    "smtp": SmtpSettings,
    "submission": SubmissionSettings,
    "imap": ImapSettings,
    "queue": QueueSettings,
    "delivery": DeliverySettings,
    "http": HttpSettings,
    "rendezvous": RendezvousSettings,
}
"""Tables of the file in the order in which they are written."""
PEER_TABLE: Final = 'peer."b.example"'
"""How the repeated table is shown in the generated documents."""


def load(file: Path) -> Configuration:
    """Read and check ``file``; raise `ConfigError`."""
    try:
        with file.open("rb") as stream:
            found = tomllib.load(stream)
    except OSError as error:
        reason = (error.strerror or "it cannot be read").lower()
        raise ConfigError(file, f"{reason}; --config names another file") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(file, f"is not TOML: {error}") from error
    peers = found.pop("peer", {})
    for name in found:
        if name not in TABLES:
            known = ", ".join([*TABLES, 'peer."DOMAIN"'])
            raise ConfigError(file, f"no such table; there are {known}", table=name)
    tables = {
        name: _read_table(file, name, kind, found.get(name, {}))
        for name, kind in TABLES.items()
    }
    _check_rendezvous(file, tables["server"], tables["rendezvous"])
    for table, complaint in listeners.clashes(tables):
        raise ConfigError(file, complaint, table=table)
    return Configuration(file=file, peers=_read_peers(file, peers), **tables)


def _check_rendezvous(
    file: Path, server: ServerSettings, rendezvous: RendezvousSettings
) -> None:
    """Refuse a rendezvous for a domain that does not live here."""
    ours = {parse_address(f"x@{domain}").domain for domain in server.domains}
    for domain in rendezvous.domains:
        if parse_address(f"x@{domain}").domain not in ours:
            complaint = f"domains: {domain} is not among the domains of [server]"
            raise ConfigError(file, complaint, table="rendezvous")


def _read_peers(file: Path, found: object) -> dict[str, PeerSettings]:
    if not isinstance(found, dict):
        raise ConfigError(file, "must be a table per domain", table="peer")
    peers: dict[str, PeerSettings] = {}
    for domain, values in found.items():
        table = f'peer."{domain}"'
        try:
            domain_name(domain)
        except ValueError as error:
            raise ConfigError(file, f"the domain {error}", table=table) from None
        peers[parse_address(f"x@{domain}").domain] = _read_table(
            file, table, PeerSettings, values
        )
    return peers


def _read_table(file: Path, table: str, kind: type[S], found: object) -> S:
    if not isinstance(found, dict):
        raise ConfigError(file, "must be a table", table=table)
    options = {f.name: f for f in fields(kind)}  # type: ignore[arg-type]  # a dataclass
    types = get_type_hints(kind)
    values: dict[str, Any] = {}
    for key, value in found.items():
        if key not in options:
            known = ", ".join(options)
            raise ConfigError(
                file, f"{key}: no such key; there are {known}", table=table
            )
        try:
            values[key] = _read_value(file, options[key], types[key], value)
        except ValueError as error:
            raise ConfigError(file, f"{key} {error}", table=table) from None
    try:
        return kind(**values)
    except ValueError as error:
        raise ConfigError(file, str(error), table=table) from None


def _read_value(file: Path, declared: Field[Any], kind: Any, value: Any) -> Any:
    """Return ``value`` as ``kind``; raise ValueError with a clause after the key."""
    converted = _of_type(kind, value)
    check = declared.metadata.get("check")
    if check is not None:
        check(converted)
    elif isinstance(converted, int | float) and not isinstance(converted, bool):
        positive(converted)
    if declared.metadata.get("path") and converted:
        return str(file.parent.absolute() / converted)
    return converted


_CALLED: Final[dict[Any, str]] = {
    str: "a text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
}


def _of_type(kind: Any, value: Any) -> Any:
    if get_origin(kind) is tuple:
        member = get_args(kind)[0]
        if not isinstance(value, list):
            raise ValueError(f"must be a list, each member {_CALLED[member]}")
        return tuple(_of_type(member, each) for each in value)
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:  # exactly: in Python, true is an int
        raise ValueError(f"must be {_CALLED[kind]}, not {value!r}")
    return value


def example() -> str:
    """Return conf/maild.toml: every key with its description and default."""
    lines = [
        "# The configuration of maild.  A commented key shows its default.  Paths are",
        "# relative to the directory of this file.  Check it with maild check-config.",
        "# Generated from the code, as docs/config.md is: python -m maild.config .",
    ]
    for name, kind in TABLES.items():
        lines += ["", "", f"# {kind.__doc__}", f"[{name}]"]
        for declared in fields(kind):
            lines += ["", f"# {declared.metadata['doc']}"]
            lines += [f"#{declared.name} = {_toml(declared.default)}"]
    lines += ["", "", f"# {PeerSettings.__doc__}", f"#[{PEER_TABLE}]"]
    for declared in fields(PeerSettings):
        lines += ["", f"# {declared.metadata['doc']}"]
        lines += [f"#{declared.name} = {_toml(declared.default)}"]
    return "\n".join(lines) + "\n"


def reference() -> str:
    """Return docs/config.md: the same keys as tables."""
    lines = [
        "# Configuration",
        "",
        f"One TOML file, `{DEFAULT_FILE}` unless `--config` names another. What is",
        "unknown or wrong is refused with file, table and key: `maild check-config`.",
        "Paths are relative to the directory of the file. This page is generated:",
        "`python -m maild.config .`",
    ]
    shown: dict[str, type[Any]] = {**TABLES, PEER_TABLE: PeerSettings}
    for name, kind in shown.items():
        about = (kind.__doc__ or "").partition("]")[2].strip()
        lines += ["", f"## [{name}]", "", about, ""]
        lines += ["| Key | Default | Meaning |", "|---|---|---|"]
        for declared in fields(kind):
            default = _toml(declared.default)
            meaning = declared.metadata["doc"].replace("|", "\\|")
            lines += [f"| `{declared.name}` | `{default}` | {meaning} |"]
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
        case tuple():
            return "[" + ", ".join(_toml(each) for each in value) + "]"
        case _:
            return str(value)


def write_documents(root: Path) -> None:
    """Write conf/maild.toml and docs/config.md below ``root``."""
    (root / "conf" / "maild.toml").write_text(example(), encoding="utf-8")
    (root / "docs" / "config.md").write_text(reference(), encoding="utf-8")


if __name__ == "__main__":
    write_documents(Path(sys.argv[1] if sys.argv[1:] else "."))
