# SPDX-License-Identifier: Apache-2.0
"""Three equal legs take about as long as one: nobody waits for a whole file.

How close it comes on a quiet machine is measured by ``python -m bench.road --narrow``.
"""

from __future__ import annotations

import os
from pathlib import Path

from bench.narrow import narrow_world, way

MIB = 2**20
SIZE = 48 * MIB
RATE = 4 * MIB
"""Octets a second, of each leg."""


def test_cut_through_is_not_store_and_forward(tmp_path: Path) -> None:
    file = tmp_path / "through.bin"
    file.write_bytes(os.urandom(SIZE))
    with narrow_world(tmp_path / "playground", RATE) as (programs, leg):
        found = way(programs, leg, file, "mshare", RATE)
    print(f"{found.measured_ratio:.2f} of one leg, store and forward takes 3")
    # Two legs one after the other would take 2; a busy machine takes its part.
    assert found.measured_ratio < 1.8
