# SPDX-License-Identifier: Apache-2.0
"""Terminals that are killed or cut off go on where they were, without being told to."""

from __future__ import annotations

import os
from pathlib import Path
from signal import SIGINT, SIGKILL

import pytest

from tests.flows.legs import leg, running
from tests.flows.programs import Programs, eventually, sha256

MIB = 2**20
SIZE = 64 * MIB
SLICE = 4 * MIB
"""Octets that a terminal asks for at a time."""
WATERMARK = 16 * MIB
"""Octets at most that a server has taken and not recorded yet."""
ON_THE_WAY = 6 * MIB
"""Octets at most in socket buffers and pieces when a connection breaks."""
OVERHEAD = 1.01
"""What TLS and commands add, at most."""


def large(folder: Path, name: str) -> Path:
    file = folder / name
    file.write_bytes(os.urandom(SIZE))
    return file


@pytest.mark.parametrize("end", ["kill", "interrupt", "cut"])
def test_a_download_goes_on(programs: Programs, tmp_path: Path, end: str) -> None:
    file = large(tmp_path, f"get-{end}.bin")
    programs.mshare("carol", "upload", file)
    target = tmp_path / "here"
    target.mkdir()

    def landed() -> int:
        parts = list(target.glob("*.part"))
        return parts[0].stat().st_size if parts else 0

    held = 26 * MIB
    words = ("get", file.name, "-o", str(target))
    with leg(programs, "carol", "imap", hold_after=held, holding="down") as proxy:
        with running(programs, "carol", *words) as get:
            assert proxy.held.wait(60)
            eventually(lambda: landed() >= held - SLICE - MIB, "slices are kept")
            if end == "cut":
                proxy.cut()
                proxy.release()
            else:
                get.send_signal(SIGKILL if end == "kill" else SIGINT)
            _, said = get.communicate(timeout=60)
            proxy.release()
            assert get.returncode == {"kill": -9, "interrupt": 130, "cut": 0}[end], said
        if end != "cut":
            before = landed()
            programs.mshare("carol", *words)
            print(f"{end} with {before:,} octets here")
        print(f"{end}: {proxy.down:,} octets came for {SIZE:,}")
        assert proxy.down <= (SIZE + SLICE) * OVERHEAD
        assert proxy.accepted == 2
    assert sha256(target / file.name) == sha256(file)
    assert [path.name for path in target.iterdir()] == [file.name]


@pytest.mark.parametrize("end", ["kill", "cut"])
def test_an_upload_goes_on(programs: Programs, tmp_path: Path, end: str) -> None:
    """By the same message: the server has it once, however often it was begun."""
    file = large(tmp_path, f"upload-{end}.bin")
    with leg(
        programs, "carol", "submission", hold_after=40 * MIB, holding="up"
    ) as proxy:
        with running(programs, "carol", "upload", file) as upload:
            assert proxy.held.wait(60)
            if end == "kill":
                upload.kill()
            else:
                proxy.cut()
            proxy.release()
            _, said = upload.communicate(timeout=60)
            assert upload.returncode == (-9 if end == "kill" else 0), said
        if end == "kill":
            programs.mshare("carol", "upload", file)
        print(f"{end}: {proxy.up:,} octets went for {SIZE:,}")
        assert proxy.up <= (SIZE + WATERMARK + ON_THE_WAY) * OVERHEAD
    items = programs.mshare("carol", "ls", "--json").json
    (item,) = [i for i in items if i["name"] == file.name]
    assert item["sha256"] == sha256(file)
    profile = Path(programs.account("carol")["profile"])
    assert list(profile.glob("*.lock")) == []
