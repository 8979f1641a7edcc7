# SPDX-License-Identifier: Apache-2.0
"""What a program must not load: a server would hold it as long as it runs."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("cryptography", "pydantic", "multiprocessing", "unittest")
"""Libraries of megabytes each."""


@pytest.mark.parametrize("program", ["maild.cli, maild.app", "terminal_client.cli"])
def test_programs_stay_small(program: str) -> None:
    look = f"import sys, {program}; print(*(m for m in {HEAVY} if m in sys.modules))"
    ran = subprocess.run(
        [sys.executable, "-c", look], capture_output=True, text=True, check=True
    )
    assert ran.stdout.split() == []
