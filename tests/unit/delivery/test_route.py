# SPDX-License-Identifier: Apache-2.0
import ipaddress

import pytest

from maild.delivery import guard
from maild.delivery.guard import IPAddress
from maild.delivery.names import LookupFailedError, Mx, NoSuchNameError
from maild.delivery.route import MAX_HOSTS, Router
from maild.delivery.settings import PeerSettings
from maild.mail.reply import ReplyError


class Table:
    """A DNS of what a test says; ``None`` fails to answer."""

    def __init__(
        self,
        mx: dict[str, list[Mx] | None],
        hosts: dict[str, list[str] | None] | None = None,
    ) -> None:
        self._mx = mx
        self._hosts = hosts or {}
        self.asked: list[str] = []

    async def mx(self, domain: str) -> list[Mx]:
        if domain not in self._mx:
            raise NoSuchNameError(domain)
        found = self._mx[domain]
        if found is None:
            raise LookupFailedError(domain)
        return found

    async def addresses(self, host: str) -> list[IPAddress]:
        self.asked.append(host)
        if host not in self._hosts:
            raise NoSuchNameError(host)
        found = self._hosts[host]
        if found is None:
            raise LookupFailedError(host)
        return [ipaddress.ip_address(text) for text in found]


def router(
    names: Table,
    peers: dict[str, PeerSettings] | None = None,
    private: tuple[str, ...] = (),
) -> Router:
    return Router(
        peers or {},
        names,
        hostname="mx.a.example",
        port=25,
        private_networks=guard.networks(private),
    )


async def refusal(names: Table, domain: str, private: tuple[str, ...] = ()) -> str:
    with pytest.raises(ReplyError) as caught:
        await router(names, private=private).find(domain)
    return f"{caught.value.reply.code} {caught.value.reply.status}"


async def stops(names: Table, domain: str, private: tuple[str, ...] = ()) -> list[str]:
    return [str(s) for s in (await router(names, private=private).find(domain)).stops]


async def test_mx_hosts_come_by_preference() -> None:
    names = Table(
        {"b.example": [Mx(5, "first.example"), Mx(10, "second.example")]},
        {"first.example": ["8.8.8.8"], "second.example": ["2600::1", "8.8.4.4"]},
    )
    assert await stops(names, "b.example") == [
        "first.example[8.8.8.8]:25",
        "second.example[2600::1]:25",
        "second.example[8.8.4.4]:25",
    ]


async def test_without_mx_the_domain_itself_is_the_server() -> None:
    names = Table({"b.example": []}, {"b.example": ["8.8.8.8"]})
    assert await stops(names, "b.example") == ["b.example[8.8.8.8]:25"]


async def test_null_mx_takes_no_mail() -> None:
    names = Table({"b.example": [Mx(0, "")]}, {"b.example": ["8.8.8.8"]})
    assert await refusal(names, "b.example") == "556 5.1.10"
    assert names.asked == []


async def test_a_domain_that_does_not_exist_is_final() -> None:
    assert await refusal(Table({}), "b.example") == "550 5.1.2"


async def test_silent_name_servers_are_temporary() -> None:
    assert await refusal(Table({"b.example": None}), "b.example") == "451 4.4.3"
    names = Table({"b.example": [Mx(1, "m.example")]}, {"m.example": None})
    assert await refusal(names, "b.example") == "451 4.4.3"


async def test_a_domain_without_addresses_is_final() -> None:
    names = Table({"b.example": [Mx(1, "m.example")]}, {"m.example": []})
    assert await refusal(names, "b.example") == "550 5.4.4"


@pytest.mark.parametrize(
    "address",
    ["169.254.169.254", "127.0.0.1", "10.0.0.1", "::1", "::ffff:127.0.0.1", "fe80::1"],
)
async def test_mx_to_an_inside_address_is_forbidden(address: str) -> None:
    names = Table({"b.example": [Mx(1, "m.example")]}, {"m.example": [address]})
    assert await refusal(names, "b.example") == "550 5.7.1"


async def test_a_cname_to_loopback_is_forbidden() -> None:
    # the resolver follows the CNAME: what counts is the address at its end
    names = Table({"alias.example": []}, {"alias.example": ["127.0.0.1"]})
    assert await refusal(names, "alias.example") == "550 5.7.1"


async def test_an_inside_address_beside_a_public_one_is_left_out() -> None:
    names = Table(
        {"b.example": [Mx(1, "m.example")]}, {"m.example": ["127.0.0.1", "8.8.8.8"]}
    )
    assert await stops(names, "b.example") == ["m.example[8.8.8.8]:25"]


@pytest.mark.parametrize(
    "domain",
    ["[127.0.0.1]", "[ipv6:::1]", "[8.8.8.8]", "[ipv6:::ffff:127.0.0.1]", "[1.2.3]"],
)
async def test_address_literals_are_forbidden(domain: str) -> None:
    assert await refusal(Table({}), domain) == "550 5.7.1"


async def test_a_private_network_may_be_allowed() -> None:
    names = Table({"b.lan": []}, {"b.lan": ["10.0.0.9"]})
    assert await stops(names, "b.lan", ("10.0.0.0/8",)) == ["b.lan[10.0.0.9]:25"]
    assert await stops(names, "[10.0.0.9]", ("10.0.0.0/8",)) == [
        "10.0.0.9[10.0.0.9]:25"
    ]


async def test_names_are_resolved_once_per_route() -> None:
    names = Table({"b.example": [Mx(1, "m.example")]}, {"m.example": ["8.8.8.8"]})
    await router(names).find("b.example")
    assert names.asked == ["m.example"]  # what is connected to is what was judged


async def test_a_known_peer_needs_no_dns() -> None:
    peer = PeerSettings(address="127.0.0.1:2525")
    route = await router(Table({}), {"B.example": peer}).find("b.example")
    assert [str(s) for s in route.stops] == ["127.0.0.1[127.0.0.1]:2525"]
    assert route.peer is peer
    assert "b.example" in route.certificate_names(route.stops[0])


async def test_a_known_peer_may_be_ipv6_or_a_name() -> None:
    peers = {
        "six.example": PeerSettings(address="[::1]:2525"),
        "name.example": PeerSettings(address="localhost:2525"),
    }
    found = await router(Table({}), peers).find("six.example")
    assert str(found.stops[0]) == "::1[::1]:2525"
    found = await router(Table({}), peers).find("name.example")
    assert found.stops[0].ip.is_loopback
    assert found.stops[0].host == "localhost"


async def test_we_do_not_send_to_ourselves_as_backup() -> None:
    records = [Mx(5, "first.example"), Mx(10, "mx.a.example"), Mx(20, "z.example")]
    names = Table({"b.example": records}, {"first.example": ["8.8.8.8"]})
    assert await stops(names, "b.example") == ["first.example[8.8.8.8]:25"]
    names = Table({"b.example": [Mx(5, "mx.a.example")]})
    assert await refusal(names, "b.example") == "554 5.4.6"


async def test_a_domain_with_many_silent_servers_is_left_for_another_time() -> None:
    records = [Mx(n, f"m{n}.example") for n in range(100)]
    names = Table({"b.example": records}, {f"m{n}.example": None for n in range(100)})
    assert await refusal(names, "b.example") == "451 4.4.3"
    assert len(names.asked) == MAX_HOSTS
    gone = Table({"b.example": records}, {})
    assert await refusal(gone, "b.example") == "451 4.4.3"
