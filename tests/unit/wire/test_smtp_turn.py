# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maild.mail.reply import ReplyError
from maild.wire.smtp_turn import atrn, parse_atrn, parse_xconnect, xconnect

LABEL = st.from_regex(r"\A[a-z0-9](?:[a-z0-9-]{0,20}[a-z0-9])?\Z").filter(
    lambda label: not label.startswith("xn--")
)
DOMAIN = st.lists(LABEL, min_size=1, max_size=4).map(".".join)


@given(st.lists(DOMAIN, max_size=20))
def test_atrn_is_read_as_it_was_written(domains: list[str]) -> None:
    line = atrn(domains).decode()
    assert line.endswith("\r\n")
    _, _, argument = line.removesuffix("\r\n").partition(" ")
    assert parse_atrn(argument) == tuple(domains)


@given(DOMAIN)
def test_xconnect_is_read_as_it_was_written(domain: str) -> None:
    line = xconnect(domain).decode()
    assert parse_xconnect(line.removesuffix("\r\n").partition(" ")[2]) == domain


def test_a_domain_is_in_lower_case() -> None:
    assert parse_atrn("B.Example,c.EXAMPLE") == ("b.example", "c.example")
    assert parse_xconnect("B.Example") == "b.example"


@given(st.text(max_size=300))
def test_anything_is_domains_or_a_reply(text: str) -> None:
    for parse in (parse_atrn, parse_xconnect):
        with suppress(ReplyError):
            assert all(each for each in parse(text))


@pytest.mark.parametrize(
    "argument", ["[127.0.0.1]", "b.example c.example", "b..example", "b.example,", ","]
)
def test_what_is_no_domain(argument: str) -> None:
    for parse in (parse_atrn, parse_xconnect):
        with pytest.raises(ReplyError, match="501"):
            parse(argument)


def test_too_many_domains() -> None:
    with pytest.raises(ReplyError, match="501"):
        parse_atrn(",".join(["b.example"] * 21))


@pytest.mark.parametrize("domain", ["b.example\r\nQUIT", "", "b example", "[::1]"])
def test_nothing_but_a_domain_is_written(domain: str) -> None:
    with pytest.raises(ValueError, match="domain"):
        xconnect(domain)
    with pytest.raises(ValueError, match="domain"):
        atrn([domain])
