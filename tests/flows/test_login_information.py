# SPDX-License-Identifier: Apache-2.0
"""Login information in the terminal's memory: one private file, and nowhere else."""

from __future__ import annotations

import base64
import os
import stat
import subprocess
from pathlib import Path

from tests.flows.programs import BIN, Programs


def test_no_password_in_any_other_file(programs: Programs, tmp_path: Path) -> None:
    alice = programs.account("alice")
    profile, home, scratch = (tmp_path / name for name in ("p", "home", "scratch"))
    for folder in (home, scratch):
        folder.mkdir()
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("XDG_")
    } | {
        "HOME": str(home),
        "TMPDIR": str(scratch),
        "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
    }
    file = tmp_path / "known.bin"
    file.write_bytes(os.urandom(100_000))

    def mshare(*words: str | Path, stdin: str = "") -> str:
        done = subprocess.run(
            [str(BIN / "mshare"), "--profile", str(profile), *map(str, words)],
            input=stdin, env=environment, text=True, capture_output=True, timeout=60,
            check=True,
        )  # fmt: skip
        return done.stdout + done.stderr

    said = mshare(
        "login", alice["address"], "--password-stdin", "--no-watch",
        "--imap", f"localhost:{programs.port('a', 'imap')}",
        "--submission", f"localhost:{programs.port('a', 'submission')}",
        "--ca", programs.facts["ca"],
        stdin=alice["password"] + "\n",
    )  # fmt: skip
    said += mshare("send", file, "bob@b.example")
    said += mshare("status", "--json")
    assert alice["password"] not in said
    password = alice["password"].encode()
    shapes = (
        password,
        base64.b64encode(password).rstrip(b"="),
        password.hex().encode(),
    )
    ours = [profile, home, scratch, *(programs.folder / n for n in ("a", "b"))]
    holders = {
        path
        for folder in ours
        for path in folder.rglob("*")
        if path.is_file() and any(shape in path.read_bytes() for shape in shapes)
    }
    assert holders == {profile / "secret"}
    assert stat.S_IMODE((profile / "secret").stat().st_mode) == 0o600
    assert stat.S_IMODE(profile.stat().st_mode) == 0o700
    logs = "".join(line for each in programs.servers.values() for line in each.log)
    assert alice["password"] not in logs
    mshare("logout")
    assert not (profile / "secret").exists()
