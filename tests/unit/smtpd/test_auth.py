# SPDX-License-Identifier: Apache-2.0
"""Logging in by SCRAM, as RFC 4954 carries it."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from scramp import ScramClient

from tests.unit.smtpd.live import ALICE, PASSWORD, Live, live
from tests.unit.smtpd.speaker import Speaker


@pytest.fixture
async def station(tmp_path: Path) -> AsyncIterator[Live]:
    async with live(tmp_path) as running:
        yield running


def coded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize("initial", [False, True])
async def test_scram(station: Live, *, initial: bool) -> None:
    speaker = await Speaker.hello(station, "submissions")
    client = ScramClient(["SCRAM-SHA-256"], str(ALICE), PASSWORD)
    first = coded(client.get_client_first())
    if initial:
        reply = await speaker.says(f"AUTH scram-sha-256 {first}", 334)
    else:
        assert (await speaker.says("AUTH SCRAM-SHA-256", 334)).text == ""
        reply = await speaker.says(first, 334)
    client.set_server_first(base64.b64decode(reply.text).decode())
    reply = await speaker.says(coded(client.get_client_final()), 334)
    client.set_server_final(base64.b64decode(reply.text).decode())
    assert (await speaker.says("", 235)).status == "2.7.0"
    await speaker.says("MAIL FROM:<alice@a.example>", 250)
    await speaker.close()


async def test_a_wrong_password_and_an_unknown_user_look_alike(station: Live) -> None:
    speaker = await Speaker.hello(station, "submissions")
    said = []
    for user in (str(ALICE), "nobody@a.example"):
        client = ScramClient(["SCRAM-SHA-256"], user, "guess")
        first = coded(client.get_client_first())
        reply = await speaker.says(f"AUTH SCRAM-SHA-256 {first}", 334)
        client.set_server_first(base64.b64decode(reply.text).decode())
        said.append(await speaker.says(coded(client.get_client_final()), 535))
    assert said[0] == said[1]
    await speaker.says("MAIL FROM:<alice@a.example>", 530)
    await speaker.close()
