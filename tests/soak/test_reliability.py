# SPDX-License-Identifier: Apache-2.0
"""The short form of what `make soak` and `make powercut` do at length."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.soak import checks, clock_jumps, kills, one_item, power_cut
from tests.soak.crash_point import Calls, CrashPoint, compiler
from tests.soak.crash_points import EVERYTHING, Cutter, prepared
from tests.soak.device_errors import Refusals
from tests.soak.legs import MiB
from tests.soak.pair import Pair, pair

pytestmark = [pytest.mark.flow, pytest.mark.timeout(240)]

needs_compiler = pytest.mark.skipif(compiler() is None, reason="needs a C compiler")
SMALL = (0, 1000, 65537, 1 << 20)
POINTS = (
    ("receive an upload", 4),
    ("receive a push", 4),
    ("receive a push", 6),
    ("take an answer, and push", 4),
    ("go on receiving a push", 5),
    ("go on receiving an upload", 8),
    ("start for the first time", 3),
)
"""Some of the crash points."""


def test_kills(tmp_path: Path) -> None:
    with pair(tmp_path / "playground") as two:
        report = kills.run(
            two, tmp_path, 4, seed=1, sizes=SMALL, settling=60.0, pause=0.5, few=True
        )
    assert report.wrong == []
    assert report.did["acknowledged uploads"]


def test_one_item(tmp_path: Path) -> None:
    with pair(tmp_path / "playground") as two:
        report = one_item.run(two, tmp_path, 48 * MiB, seed=1, cuts=1, kills=1)
    assert report.wrong == []


@pytest.fixture(scope="module")
def points(tmp_path_factory: pytest.TempPathFactory) -> dict[str, CrashPoint]:
    return prepared(tmp_path_factory.mktemp("points"))


@pytest.fixture(scope="module")
def two(
    points: dict[str, CrashPoint], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pair]:
    environment = {name: point.environment for name, point in points.items()}
    folder = tmp_path_factory.mktemp("soak") / "playground"
    with pair(folder, environment=environment) as made:
        yield made


@needs_compiler
@pytest.mark.parametrize(("name", "number"), POINTS)
def test_a_crash_point(
    name: str, number: int, two: Pair, points: dict[str, CrashPoint], tmp_path: Path
) -> None:
    (operation,) = (each for each in EVERYTHING if each.name == name)
    was_killed, wrong = Cutter(two, points, tmp_path).cut(
        operation, number, Calls.DURABLE
    )
    assert wrong == []
    assert was_killed


@needs_compiler
def test_devices_that_refuse(
    two: Pair, points: dict[str, CrashPoint], tmp_path: Path
) -> None:
    refusals = Refusals(two, points, tmp_path)
    refusals.syncs_of_mail((1, 3))
    refusals.full_device(1.0)
    refusals.wrong += checks.store(two, "a") + checks.store(two, "b")
    assert refusals.wrong == []


@needs_compiler
def test_clocks_that_jump(
    two: Pair, points: dict[str, CrashPoint], tmp_path: Path
) -> None:
    assert clock_jumps.put_off(two, points, tmp_path) == []
    report = clock_jumps.run(two, points, tmp_path, 2, seed=1, pause=1.0, few=True)
    assert report.wrong == []
    assert report.did["acknowledged mails"]


@pytest.mark.parametrize("kind", power_cut.FILE_SYSTEMS)
def test_power_cuts(kind: str, tmp_path: Path) -> None:
    if reason := power_cut.missing(kind):
        pytest.skip(reason)
    with power_cut.pair_on(kind, tmp_path) as (made, devices):
        report = power_cut.run(
            made, devices, tmp_path, 2, seed=1, pause=0.5, settling=60.0, few=True
        )
    assert report.wrong == []
    assert report.did["acknowledged mails"]
