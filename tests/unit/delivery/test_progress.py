# SPDX-License-Identifier: Apache-2.0
"""Progress of many pushes costs the index one job a period; no octet is forgotten."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from unittest.mock import Mock, patch

import pytest

from maild.delivery import progress
from maild.delivery.progress import Pace, Progress
from maild.store import transfers


class Index:
    """Stands in for the index; ``open`` are the jobs that are not done yet."""

    def __init__(self) -> None:
        self.jobs: list[dict[str, int]] = []
        self.open: list[Future[None]] = []
        self.is_slow = False
        self._came = asyncio.Event()

    def submit(
        self, job: object, moved: dict[str, tuple[int, float]], now: float
    ) -> Future[None]:
        assert job is transfers.progress_together
        self.jobs.append({name: octets for name, (octets, _) in moved.items()})
        self._came.set()
        future: Future[None] = Future()
        if self.is_slow:
            self.open.append(future)
        else:
            future.set_result(None)
        return future

    async def given(self, count: int) -> None:
        """Wait until there were so many jobs."""
        while len(self.jobs) < count:
            self._came.clear()
            await self._came.wait()


async def test_many_pushes_share_one_job() -> None:
    index = Index()
    moving = Progress(Mock(index=index))
    with (
        patch.object(progress, "PERIOD", 0.01),
        moving.of("one") as one,
        moving.of("two") as two,
    ):
        for octets in range(1, 1001):
            one(octets)
            two(2 * octets)
        await index.given(2)
        one(5)  # what another attempt had acknowledged
        two(3000)
        await index.given(3)
    assert index.jobs == [{"one": 1}, {"one": 1000, "two": 2000}, {"two": 3000}]


async def test_a_slow_device_gets_no_second_job() -> None:
    slow, quick = Index(), Index()
    slow.is_slow = True
    moving, other = Progress(Mock(index=slow)), Progress(Mock(index=quick))
    with (
        patch.object(progress, "PERIOD", 0.001),
        moving.of("one") as one,
        other.of("one") as pulse,
    ):
        for octets in range(1, 6):
            one(octets)
            pulse(octets)
            await quick.given(octets)
        assert slow.jobs == [{"one": 1}]
        slow.open[0].set_result(None)
        await slow.given(2)
        assert slow.jobs[1] == {"one": 5}


def test_the_rate_counts_from_where_the_push_began() -> None:
    pace = Pace(1000, 1000, 10.0)
    assert pace.look(10.0) == (1000, 0.0)
    pace.octets = 1100
    assert pace.look(11.0) == (1100, 100.0)
    pace.octets = 1300
    octets, rate = pace.look(12.0)
    assert octets == 1300
    assert 100 < rate < 200
    for second in range(13, 60):
        pace.octets += 50
        _, rate = pace.look(float(second))
    assert rate == pytest.approx(50, rel=0.01)
