# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import cast

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest
import pytest_asyncio

from maild.delivery.names import LookupFailedError, Mx, NoSuchNameError, Resolver
from maild.delivery.route import Router
from maild.mail.reply import ReplyError

ZONE: dict[tuple[str, str], list[str]] = {
    ("b.example.", "MX"): ["20 second.b.example.", "10 first.b.example."],
    ("null.example.", "MX"): ["0 ."],
    ("first.b.example.", "A"): ["8.8.8.8"],
    ("first.b.example.", "AAAA"): ["2600::8"],
    ("loop.example.", "A"): ["127.0.0.1"],
    ("meta.example.", "MX"): ["10 meta.host.example."],
    ("meta.host.example.", "A"): ["169.254.169.254"],
}
ALIASES = {"alias.example.": "loop.example."}


class Zone(asyncio.DatagramProtocol):
    """A name server on loopback with the records above."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.RA
        (question,) = query.question
        name, kind = question.name.to_text().lower(), question.rdtype.name
        if name == "broken.example.":
            answer.set_rcode(dns.rcode.SERVFAIL)
        if name in ALIASES:
            target = ALIASES[name]
            answer.answer.append(dns.rrset.from_text(name, 60, "IN", "CNAME", target))
            name = target
        known = {owner for owner, _ in ZONE} | set(ALIASES) | {"broken.example."}
        if (name, kind) in ZONE:
            answer.answer.append(
                dns.rrset.from_text(name, 60, "IN", kind, *ZONE[name, kind])
            )
        elif name not in known:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        self._transport.sendto(answer.to_wire(), addr)


@pytest_asyncio.fixture
async def resolver() -> AsyncIterator[Resolver]:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(
        Zone, local_addr=("127.0.0.1", 0)
    )
    port = transport.get_extra_info("sockname")[1]
    yield Resolver([f"127.0.0.1:{port}"])
    transport.close()


async def test_mx_records_come_by_preference(resolver: Resolver) -> None:
    assert await resolver.mx("b.example") == [
        Mx(10, "first.b.example"),
        Mx(20, "second.b.example"),
    ]


async def test_a_null_mx_is_seen(resolver: Resolver) -> None:
    assert await resolver.mx("null.example") == [Mx(0, "")]


async def test_a_domain_without_mx_has_none(resolver: Resolver) -> None:
    assert await resolver.mx("loop.example") == []


async def test_both_families_are_asked(resolver: Resolver) -> None:
    found = await resolver.addresses("first.b.example")
    assert [str(ip) for ip in found] == ["2600::8", "8.8.8.8"]


async def test_what_does_not_exist_is_final(resolver: Resolver) -> None:
    with pytest.raises(NoSuchNameError):
        await resolver.mx("nowhere.example")
    with pytest.raises(NoSuchNameError):
        await resolver.mx("x" * 64 + ".example")


async def test_a_failing_server_is_temporary(resolver: Resolver) -> None:
    with pytest.raises(LookupFailedError):
        await resolver.mx("broken.example")


@pytest.mark.parametrize("domain", ["alias.example", "loop.example", "meta.example"])
async def test_names_that_lead_inside_are_forbidden(
    resolver: Resolver, domain: str
) -> None:
    router = Router(
        {},
        resolver,
        hostname="mx.a.example",
        port=25,
        private_networks=(),
    )
    with pytest.raises(ReplyError) as caught:
        await router.find(domain)
    assert caught.value.reply.status == "5.7.1"
    assert caught.value.reply.code == 550
