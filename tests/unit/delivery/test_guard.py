# SPDX-License-Identifier: Apache-2.0
import ipaddress

import pytest

from maild.delivery import guard


@pytest.mark.parametrize(
    "text",
    [
        "127.0.0.1",
        "127.255.0.1",
        "0.0.0.0",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "192.0.2.1",
        "192.88.99.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::7f00:1",
        "fe80::1",
        "fec0::1",
        "fc00::1",
        "fd00::1",
        "ff02::1",
        "2001:db8::1",
        "::ffff:127.0.0.1",
        "::ffff:8.8.8.8",
        "::ffff:0:127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b:1::1",
        "2002:7f00:1::1",
        "2002:808:808::1",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    ],
)
def test_an_address_that_is_no_public_host_is_refused(text: str) -> None:
    assert not guard.is_allowed(ipaddress.ip_address(text), ())


@pytest.mark.parametrize("text", ["8.8.8.8", "192.0.3.1", "2600::1", "2a00:1450::1"])
def test_public_addresses_are_allowed(text: str) -> None:
    assert guard.is_allowed(ipaddress.ip_address(text), ())


def test_an_operator_may_allow_a_private_network() -> None:
    allowed = guard.networks(["10.0.0.0/8", "::1/128"])
    assert guard.is_allowed(ipaddress.ip_address("10.9.8.7"), allowed)
    assert guard.is_allowed(ipaddress.ip_address("::1"), allowed)
    assert not guard.is_allowed(ipaddress.ip_address("192.168.0.1"), allowed)


def test_allowing_ipv4_does_not_allow_its_disguise() -> None:
    allowed = guard.networks(["127.0.0.0/8"])
    assert not guard.is_allowed(ipaddress.ip_address("::ffff:127.0.0.1"), allowed)


@pytest.mark.parametrize(
    ("domain", "address"),
    [
        ("[192.0.2.7]", "192.0.2.7"),
        ("[ipv6:2001:db8::7]", "2001:db8::7"),
        ("[IPv6:::1]", "::1"),
        ("[1.2.3]", None),
        ("[ipv6:zz]", None),
    ],
)
def test_literals_are_read(domain: str, address: str | None) -> None:
    found = guard.parse_literal(domain)
    assert (str(found) if found else None) == address


def test_a_network_that_is_none_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="10\\.0"):
        guard.networks(["10.0.0/99"])
