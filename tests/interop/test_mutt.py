# SPDX-License-Identifier: Apache-2.0
"""mutt as a destination terminal: sees the offer, moves it, sees the item."""

from __future__ import annotations

import os
import pty
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.flows.programs import Programs, eventually, playground
from tests.flows.story import item_at, offer_at

pytestmark = pytest.mark.skipif(
    shutil.which("mutt") is None, reason="mutt is not installed (apt-get install mutt)"
)

RC = """\
set folder = "imaps://{user}@localhost:{port}/"
set spoolfile = "imaps://{user}@localhost:{port}/INBOX"
set imap_user = "{address}"
set imap_pass = "{password}"
set ssl_ca_certificates_file = "{ca}"
set certificate_file = "{ca}"
set ssl_verify_host = yes
set header_cache = ""
set delete = yes
set move = no
set confirmappend = no
set confirmcreate = no
set mail_check = 1
set timeout = 1
set wait_key = no
set pager_index_lines = 0
set sleep_time = 0
ignore *
unignore from subject date
"""


class Mutt:
    """mutt on a terminal of its own; what it writes is kept as text."""

    def __init__(self, rc: Path, folder: str) -> None:
        self._leader, follower = pty.openpty()
        self.process = subprocess.Popen(
            ["mutt", "-n", "-F", str(rc), "-f", folder],
            stdin=follower,
            stdout=follower,
            stderr=follower,
            env={
                "TERM": "vt100", "LINES": "30", "COLUMNS": "120",
                "HOME": str(rc.parent), "PATH": os.environ["PATH"], "LANG": "C.UTF-8",
            },
            start_new_session=True,
        )  # fmt: skip
        os.close(follower)
        self.screen = ""
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        with suppress(OSError):
            while octets := os.read(self._leader, 65536):
                text = octets.decode(errors="replace")
                self.screen += re.sub(
                    r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][A-Z0-9]", " ", text
                )

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self._leader, keys.encode())

    def sees(self, text: str) -> None:
        """Wait until ``text`` has appeared since the last call; forget the screen."""
        try:
            eventually(lambda: text in self.screen, f"mutt shows {text!r}", 20)
        except AssertionError as error:
            raise AssertionError(f"{error}, but {self.screen[-2000:]!r}") from None
        self.screen = ""

    def quit(self) -> None:
        """Leave mutt, carrying out what was marked."""
        self.type("q")
        self.process.wait(timeout=60)
        os.close(self._leader)


@contextmanager
def mutt(programs: Programs, folder: Path, mailbox: str) -> Iterator[Mutt]:
    bob = programs.account("bob")
    rc = folder / "muttrc"
    port = programs.port("bob", "imap")
    user = bob["address"].replace("@", "%40")
    rc.write_text(
        RC.format(
            user=user,
            port=port,
            address=bob["address"],
            password=bob["password"],
            ca=programs.facts["ca"],
        )
    )
    running = Mutt(rc, f"imaps://{user}@localhost:{port}/{mailbox}")
    try:
        yield running
        running.quit()
    finally:
        if running.process.poll() is None:
            running.process.kill()
            running.process.wait()


def test_mutt_accepts_an_offer_and_sees_the_item(tmp_path: Path) -> None:
    file = tmp_path / "holiday.bin"
    file.write_bytes(os.urandom(200_000))
    with playground(tmp_path / "playground") as programs:
        programs.mshare("alice", "send", file, "bob@b.example")
        offer_at(programs, "bob", file.name)
        with mutt(programs, tmp_path, "INBOX") as running:
            running.sees("holiday.bin")
            running.type("\r")
            running.sees("Accepted")  # the text says where to move it
            running.type("i")
            running.type("s\x15=Accepted\r")  # Ctrl-U: the prompt is prefilled
            running.sees("Accepted")
        item_at(programs, "bob", file.name, 200_000)
        with mutt(programs, tmp_path, "Items") as running:
            running.sees("holiday.bin")
            running.type("\r")
            running.sees("Library")
            running.type("i")
