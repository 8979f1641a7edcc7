# SPDX-License-Identifier: Apache-2.0
"""A private Postfix: files what it takes and relays, or discards."""

from __future__ import annotations

import os
import random
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.flows.programs import eventually

_MAIN = """\
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
myhostname = mx.c.example
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
disable_dns_lookups = yes
smtpd_peername_lookup = no
smtpd_client_connection_count_limit = 0
in_flow_delay = 0
alias_maps =
maillog_file = {folder}/maillog
maillog_file_prefixes = {folder}
"""
FILING = """\
virtual_mailbox_domains = c.example
virtual_mailbox_maps = static:box/
virtual_mailbox_base = {folder}/mail
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
virtual_mailbox_limit = 0
message_size_limit = 40000000
transport_maps = inline:{{ b.example=smtp:[127.0.0.1]:{peer} }}
smtp_tls_security_level = may
smtp_host_lookup = native
"""
"""Mail for c.example lands in a Maildir, mail for b.example goes to port ``peer``."""
DISCARDING = """\
relay_domains = b.example
default_transport = discard:bench
relay_transport = discard:bench
"""
"""Every message is taken into the queue and then discarded: for benchmarks."""
_MASTER = """\
127.0.0.1:{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
smtp unix - - n - - smtp
virtual unix - n n - - virtual
discard unix - - n - - discard
tlsmgr unix - - n 1000? 1 tlsmgr
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""


@dataclass(frozen=True)
class Postfix:
    """Its port, and the Maildir in which everything for c.example lands."""

    port: int
    maildir: Path

    def messages(self) -> list[bytes]:
        """Return what has been delivered."""
        return [path.read_bytes() for path in sorted(self.maildir.glob("new/*"))]


def why_not() -> str | None:
    """Return the reason why no Postfix can be started here, or None."""
    if shutil.which("postfix") is None:
        return "Postfix is not installed (apt-get install postfix)"
    return None if os.geteuid() == 0 else "only root can start a Postfix"


@contextmanager
def postfix(folder: Path, settings: str, *, peer: int = 0) -> Iterator[Postfix]:
    """Run Postfix with all it owns below ``folder``."""
    conf = folder / "conf"
    for name in ("conf", "queue", "data", "mail"):
        (folder / name).mkdir(parents=True)
    for place in (folder, *folder.parents):
        with suppress(PermissionError):
            place.chmod(place.stat().st_mode | 0o055)  # its processes leave root behind
    shutil.chown(folder / "data", "postfix")
    shutil.chown(folder / "mail", "nobody", "nogroup")
    owner = (folder / "mail").stat()
    port = _free_port()
    (conf / "main.cf").write_text(
        (_MAIN + settings).format(
            folder=folder, peer=peer, uid=owner.st_uid, gid=owner.st_gid
        )
    )
    (conf / "master.cf").write_text(_MASTER.format(port=port))
    command = ["postfix", "-c", str(conf)]
    try:
        started = subprocess.run([*command, "start"], check=False, capture_output=True)
        log = folder / "maillog"
        told = log.read_text() if log.exists() else ""
        assert started.returncode == 0, (started.stderr, told)
        eventually(lambda: _listens(port), "Postfix listens")
        yield Postfix(port, folder / "mail" / "box")
    finally:
        subprocess.run([*command, "stop"], check=False, capture_output=True)


def _free_port() -> int:
    """Return a port below those that outgoing connections take by chance."""
    for port in random.sample(range(10_000, 20_000), 1000):
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise AssertionError("there is no free port")


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port)) as client:
        client.settimeout(1)
        return client.recv(3) == b"220"
    return False
