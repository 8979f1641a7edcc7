# SPDX-License-Identifier: Apache-2.0
"""mbsync (with Cyrus SASL): a whole account into Maildirs, and nothing new after it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.flows.programs import playground
from tests.flows.story import share

pytestmark = pytest.mark.skipif(
    shutil.which("mbsync") is None, reason="mbsync is missing (apt-get install isync)"
)

RC = """\
IMAPAccount b
Host localhost
Port {port}
User {address}
Pass {password}
SSLType IMAPS
CertificateFile {ca}

IMAPStore far
Account b

MaildirStore near
Path {mail}/
Inbox {mail}/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns *
Create Near
SyncState *
"""


def test_mbsync_fetches_everything_once(tmp_path: Path) -> None:
    file = tmp_path / "synced.bin"
    file.write_bytes(os.urandom(300_000))
    mail = tmp_path / "mail"
    mail.mkdir()
    rc = tmp_path / "mbsyncrc"
    with playground(tmp_path / "playground") as programs:
        share(programs, file, tmp_path)
        bob = programs.account("bob")
        rc.write_text(
            RC.format(
                port=programs.port("bob", "imap"),
                address=bob["address"],
                password=bob["password"],
                ca=programs.facts["ca"],
                mail=mail,
            )
        )
        for _ in range(2):
            done = subprocess.run(
                ["mbsync", "-c", str(rc), "-a"],
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            assert done.returncode == 0, done.stderr
        found = {box.name: len(list(box.glob("*/*"))) for box in mail.iterdir()}
    assert found["Accepted"] == found["INBOX"] == found["Items"] == 1
    assert found["Library"] == 1
    assert found["Transfers"] == 0
