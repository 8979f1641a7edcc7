# SPDX-License-Identifier: GPL-3.0-only
"""A watch whose clock, events, network and server are the test's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from terminal_client.attempts import Progress
from terminal_client.folders.carrier import Carrier
from terminal_client.folders.finder import Finder
from terminal_client.folders.gate import Gate
from terminal_client.folders.network import Network
from terminal_client.folders.patience import Patience
from terminal_client.folders.told import Happening, Kind, Tally
from terminal_client.folders.walk import Found
from terminal_client.folders.watch import FolderWatch
from terminal_client.library import Item
from terminal_client.matching import Shape
from terminal_client.reading import shape_of

UNMETERED, METERED = Network(), Network(metered=True)


def item(path: Path) -> Item:
    """Return what an uploaded file became."""
    return Item(
        id=f"id-{path.name}",
        uid=1,
        section="1",
        name=path.name,
        type="application/octet-stream",
        size=path.stat().st_size,
        sha256=None,
        own=True,
        sender=None,
        date=None,
        uploaded=True,
    )


class FakeCarrier(Carrier):
    """Uploads nothing, and remembers everything; goes wrong as it is told to."""

    def __init__(self) -> None:
        self.known: dict[Path, Shape] = {}
        self.tried: list[str] = []
        self.abandoned: list[str] = []
        self.errors: dict[str, list[Exception]] = {}
        """For each name, what its next attempts raise."""
        self.held: dict[str, asyncio.Event] = {}
        """What an upload waits for; set by the test."""
        self.began = asyncio.Event()
        self.door: list[Exception] = []
        """What the next logins raise."""
        self.verified = self.rested = 0

    def unknown(self, found: Sequence[Found]) -> list[Path]:
        return [path for path, shape in found if self.known.get(path) != shape]

    async def bring(self, path: Path, progress: Progress) -> Item:
        self.tried.append(path.name)
        if self.errors.get(path.name):
            raise self.errors[path.name].pop(0)
        shape = shape_of(path.stat())  # noqa: ASYNC240 # as fast as the test itself
        progress(shape.size // 2, shape.size)
        if path.name in self.held:
            self.began.set()
            await self.held[path.name].wait()
        self.known[path] = shape
        return item(path)

    async def moved(self, path: Path, shape: Shape) -> bool:
        return False

    async def abandon(self, path: Path) -> None:
        self.abandoned.append(path.name)

    async def verify(self) -> None:
        self.verified += 1
        if self.door:
            raise self.door.pop(0)

    async def rest(self) -> None:
        self.rested += 1


class Rig:
    """One watch of ``root`` and its surroundings."""

    def __init__(self, root: Path, *, once: bool = False) -> None:
        self.root = root.resolve()
        self.now = 1000.0
        self.carrier = FakeCarrier()
        self.gate = Gate(on_metered=False)
        self.finder = Finder([self.root], [], self.carrier.unknown, lambda: self.now)
        self.told: list[Happening] = []
        self._news = asyncio.Event()
        self._changes: asyncio.Queue[set[Path] | None] = asyncio.Queue()
        self._changes.put_nowait(None)
        patience = Patience(self.gate, self.tell, once=once, first=0.001)
        self.watch = FolderWatch(
            self.carrier,
            self.finder,
            self.gate,
            self.tell,
            self._show,
            patience,
            once=once,
            clock=lambda: self.now,
        )

    def tell(self, what: Happening) -> None:
        self.told.append(what)
        self._news.set()

    @contextmanager
    def _show(self, name: str) -> Iterator[Progress]:
        yield lambda done, total: None

    async def _events(self) -> AsyncIterator[set[Path] | None]:
        while True:
            yield await self._changes.get()
            self._changes.task_done()

    async def happens(self, *names: str) -> None:
        """Let something happen to these; return when the watch knows."""
        self._changes.put_nowait({self.root / name for name in names})
        await self._changes.join()

    async def look(self) -> None:
        """Let it look at everything."""
        self._changes.put_nowait(None)
        await self._changes.join()

    async def pass_time(self, seconds: float = 10_000) -> None:
        """Let the clock leap, and everything wake."""
        self.now += seconds
        await self.happens()

    async def until(self, kind: Kind, name: str = "", count: int = 1) -> Happening:
        """Wait until something was told, so many times."""
        async with asyncio.timeout(20):
            while True:
                found = [
                    each
                    for each in self.told
                    if each.kind is kind and str(each.path or "").endswith(name)
                ]
                if len(found) >= count:
                    return found[-1]
                self._news.clear()
                await self._news.wait()

    async def eventually(self, look: Callable[[], bool]) -> None:
        """Wait until something is so: threads are at work."""
        async with asyncio.timeout(20):
            while not look():  # noqa: ASYNC110 # what threads do sets no event
                await asyncio.sleep(0.001)

    async def run_once(self) -> Tally:
        """Run a watch that ends by itself."""
        async with asyncio.timeout(20):
            return await self.watch.run(self._events())

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the watch beside the test."""
        task = asyncio.ensure_future(self.watch.run(self._events()))
        try:
            yield
            assert not task.done(), task.result()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
