# SPDX-License-Identifier: Apache-2.0
"""Single attempts at what is queued in a store, and what they say in the log."""

from __future__ import annotations

import re
from email import message_from_bytes

import pytest

from maild.delivery import guard
from maild.delivery.attempt import Attempt
from maild.delivery.client import Client
from maild.delivery.progress import Progress
from maild.delivery.route import Router
from maild.delivery.settings import DeliverySettings, PeerSettings
from maild.delivery.trust import Trust
from maild.delivery.work import Means
from maild.mail.offer import MEDIA_TYPE, Offer, parse_facts
from maild.store import transfers
from maild.store.transfers import Transfer
from tests.unit.delivery.peer import (
    Certificate,
    Peer,
)
from tests.unit.delivery.post import Clock, Post
from tests.unit.delivery.rig import (
    identity,
    threads,
)
from tests.unit.delivery.test_route import Table
from tests.unit.test_delivery_log import POSTFIX as LINE


class Rig:
    """One store with one account, and attempts at what is queued in it."""

    def __init__(self, post: Post, clock: Clock, certificate: Certificate) -> None:
        self.post = post
        self.store = post.store
        self.clock = clock
        self.certificate = certificate
        self.names = Table({})

    async def attempt(
        self, peer: Peer | None, *, fingerprint: str = "", plain: bool = False
    ) -> Transfer:
        """Claim the one transfer that is due and make one attempt."""
        (claimed,) = await self.store.index.write(
            transfers.claim, "test", self.clock(), 5
        )
        peers = {}
        if peer is not None:
            address = f"127.0.0.1:{peer.port}"
            peers["b.example"] = PeerSettings(address, fingerprint, plain)
        settings = DeliverySettings(idle_timeout=5.0, ca_file=self.certificate.ca_file)
        trust = Trust(settings.ca_file)
        trust.load()
        router = Router(
            peers,
            self.names,
            hostname="mx.a.example",
            port=25,
            private_networks=guard.networks(()),
        )
        client = Client(settings, identity(), trust)
        with threads() as readers:
            means = Means(
                settings,
                identity(),
                self.store,
                router,
                client,
                readers,
                Progress(self.store),
            )
            await Attempt(claimed, means).run()
        return await self.post.now(claimed)


def only_line(caplog: pytest.LogCaptureFixture) -> re.Match[str]:
    """There is exactly one delivery line for an attempt, in Postfix grammar."""
    found = [r.getMessage() for r in caplog.records if r.name == "maild.delivery"]
    assert len(found) == 1, found
    match = LINE.fullmatch(found[0])
    assert match, found[0]
    return match


def facts_of(message: bytes) -> Offer:
    for part in message_from_bytes(message).walk():
        if part.get_content_type() == MEDIA_TYPE:
            payload = part.get_payload(decode=True)
            assert isinstance(payload, bytes)
            offer = parse_facts(payload)
            assert isinstance(offer, Offer)
            return offer
    raise AssertionError("no facts")
