# SPDX-License-Identifier: Apache-2.0
"""A private Postfix that takes every message into its queue and then discards it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_MAIN = """\
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
myhostname = peer.example
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
relay_domains = b.example
default_transport = discard:bench
relay_transport = discard:bench
disable_dns_lookups = yes
smtpd_peername_lookup = no
smtpd_client_connection_count_limit = 0
in_flow_delay = 0
alias_maps =
maillog_file = {folder}/maillog
maillog_file_prefixes = {folder}
"""
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
discard unix - - n - - discard
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""


def why_not() -> str | None:
    """Return the reason why no Postfix can be started here, or None."""
    if shutil.which("postfix") is None:
        return "Postfix is not installed"
    if os.geteuid() != 0:
        return "only root can start a Postfix"
    return None


@contextmanager
def postfix(folder: Path) -> Iterator[int]:
    """Run Postfix with its own queue below ``folder``; yield its port."""
    conf = folder / "conf"
    for name in ("conf", "queue", "data"):
        (folder / name).mkdir(parents=True)
    for place in (folder, *folder.parents[:1]):
        place.chmod(0o755)  # its processes leave root behind
    shutil.chown(folder / "data", "postfix")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = int(listener.getsockname()[1])
    (conf / "main.cf").write_text(_MAIN.format(folder=folder))
    (conf / "master.cf").write_text(_MASTER.format(port=port))
    command = ["postfix", "-c", str(conf)]
    try:
        subprocess.run([*command, "start"], check=True, capture_output=True)
        _wait_for(port)
        yield port
    finally:
        subprocess.run([*command, "stop"], check=False, capture_output=True)


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.05)
    raise TimeoutError("Postfix does not listen")
