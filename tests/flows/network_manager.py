# SPDX-License-Identifier: Apache-2.0
"""A NetworkManager of our own, on a bus of our own: it says what a test wants."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from dbus_fast import Message, MessageType, PropertyAccess, Variant
from dbus_fast.aio import MessageBus
from dbus_fast.annotations import DBusUInt32
from dbus_fast.service import ServiceInterface, dbus_property

NAME = "org.freedesktop.NetworkManager"
PATH = "/org/freedesktop/NetworkManager"
YES, NO, GUESS_YES, GUESS_NO = 1, 2, 3, 4
"""NMMetered."""
FULL, NONE = 4, 1
"""NMConnectivityState."""
BUS = """\
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <listen>unix:path={socket}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
    <allow user="*"/>
  </policy>
</busconfig>
"""

has_dbus = shutil.which("dbus-daemon") is not None


@contextmanager
def bus(folder: Path) -> Iterator[str]:
    """Run a bus; yield its address."""
    folder.mkdir()
    socket, settings = folder / "bus", folder / "bus.conf"
    settings.write_text(BUS.format(socket=socket))
    with subprocess.Popen(
        [
            "dbus-daemon",
            "--nofork",
            "--nopidfile",
            "--print-address=1",
            f"--config-file={settings}",
        ],
        stdout=subprocess.PIPE,
        text=True,
    ) as daemon:
        try:
            assert daemon.stdout is not None
            yield daemon.stdout.readline().strip()
        finally:
            daemon.terminate()


class _Facts(ServiceInterface):
    """The two properties that anybody asks for."""

    def __init__(self) -> None:
        super().__init__(NAME)
        self.metered, self.connectivity = NO, FULL

    @dbus_property(access=PropertyAccess.READ, name="Metered")
    def metered_now(self) -> DBusUInt32:
        return self.metered

    @dbus_property(access=PropertyAccess.READ, name="Connectivity")
    def connectivity_now(self) -> DBusUInt32:
        return self.connectivity


class FakeNetworkManager:
    """Owns the name on a bus, in a thread; ``with`` begins and ends it."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._facts = _Facts()
        self._bus: MessageBus | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        self._do(self._own())
        return self

    def __exit__(self, *what: object) -> None:
        self._do(self._leave())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def say(self, metered: int, connectivity: int = FULL) -> None:
        """Say so from now on, and tell everybody."""
        self._do(self._say(metered, connectivity))

    def _do(self, what: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(what, self._loop).result(10)

    async def _own(self) -> None:
        self._bus = await MessageBus(self._address).connect()
        self._bus.export(PATH, self._facts)
        await self._bus.request_name(NAME)

    async def _say(self, metered: int, connectivity: int) -> None:
        self._facts.metered, self._facts.connectivity = metered, connectivity
        self._facts.emit_properties_changed(
            {"Metered": metered, "Connectivity": connectivity}
        )

    async def _leave(self) -> None:
        assert self._bus is not None
        self._bus.disconnect()
        await self._bus.wait_for_disconnect()  # type: ignore[no-untyped-call] # not typed there


async def lie(address: str, to: str = "") -> None:
    """Say, without being NetworkManager, that the network is metered."""
    liar = await MessageBus(address).connect()
    names = [to] if to else await _everybody(liar)
    for name in names:
        await liar.send(
            Message(
                message_type=MessageType.SIGNAL,
                destination=name,
                path=PATH,
                interface="org.freedesktop.DBus.Properties",
                member="PropertiesChanged",
                signature="sa{sv}as",
                body=[NAME, {"Metered": Variant("u", YES)}, []],
            )
        )
    liar.disconnect()


async def _everybody(asker: MessageBus) -> list[str]:
    reply = await asker.call(
        Message(
            destination="org.freedesktop.DBus",
            path="/org/freedesktop/DBus",
            interface="org.freedesktop.DBus",
            member="ListNames",
        )
    )
    return [name for name in reply.body[0] if name.startswith(":")]
