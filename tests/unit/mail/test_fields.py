# SPDX-License-Identifier: Apache-2.0
"""Reading fields as they come from outside: right ones, wrong ones, endless ones."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maild.mail import fields
from maild.mail.fields import addresses, envelope, parameters, unfold


@pytest.mark.parametrize(
    ("text", "value", "params"),
    [
        ("text/plain", "text/plain", {}),
        ("Text/HTML; Charset=UTF-8", "text/html", {"charset": "UTF-8"}),
        ('a/b; name="x; y"', "a/b", {"name": "x; y"}),
        ('a/b; name="x\\"y\\\\"', "a/b", {"name": 'x"y\\'}),
        ("a/b (c; d=e); f=g (h)", "a/b", {"f": "g"}),
        ('a/b (a " b); x="y (z)"', "a/b", {"x": "y (z)"}),
        ("a/b; x=1; x=2", "a/b", {"x": "1"}),
        ("a/b; name=two words; y=z", "a/b", {"name": "two words", "y": "z"}),
        ("a/b; name*=utf-8''%e2%82%ac", "a/b", {"name": "€"}),
        ("a/b; name*=iso-8859-1'en'%A3", "a/b", {"name": "£"}),
        ("a/b; name*=idna''x", "a/b", {"name": "x"}),
        ("a/b; name*=iso-8859-99''x", "a/b", {"name": "x"}),
        ("a/b; n*1*=%20y; n*0*=utf-8''x; n*2=z", "a/b", {"n": "x yz"}),
        ("a/b; n*0=x; n*2=z", "a/b", {"n": "x"}),
        ("a/b; n=plain; n*=utf-8''better", "a/b", {"n": "better"}),
        ("a/b; n*=utf-8''%0d%0ax", "a/b", {"n": "  x"}),
        ('a/b; n="unclosed', "a/b", {"n": "unclosed"}),
        ("a/b;;; ;x=y;", "a/b", {"x": "y"}),
        ("", "", {}),
        (";x=y", "", {"x": "y"}),
    ],
)
def test_parameters(text: str, value: str, params: dict[str, str]) -> None:
    found, list_of = parameters(text)
    assert (found, dict(list_of)) == (value, params)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, None),
        ("", None),
        (" , ,", None),
        ("a@b.example", [(None, None, "a", "b.example")]),
        ("<a@b>", [(None, None, "a", "b")]),
        ("Alice A. <a@b>", [("Alice A.", None, "a", "b")]),
        ('"A, B" <a@b>, c@d', [("A, B", None, "a", "b"), (None, None, "c", "d")]),
        ('"a\\"b" <a@b>', [('a"b', None, "a", "b")]),
        ('"a b@c"@d', [(None, None, "a b@c", "d")]),
        ("a@b (Alice)", [("Alice", None, "a", "b")]),
        ("(x) Alice (y) <a (z) @b>", [("Alice", None, "a", "b")]),
        ("<@x,@y:a@b>", [(None, "@x,@y", "a", "b")]),
        ("a . b @ c . d", [(None, None, "a.b", "c.d")]),
        ("a@[192.0.2.1]", [(None, None, "a", "[192.0.2.1]")]),
        ("root", [(None, None, "root", "")]),
        (
            "Friends: a@b, c@d;",
            [
                (None, None, "Friends", None),
                (None, None, "a", "b"),
                (None, None, "c", "d"),
                (None, None, None, None),
            ],
        ),
        ("nobody:;", [(None, None, "nobody", None), (None,) * 4]),
        (
            "open: a@b",
            [(None, None, "open", None), (None, None, "a", "b"), (None,) * 4],
        ),
        ("=?utf-8?q?=C3=A9?= <a@b>", [("=?utf-8?q?=C3=A9?=", None, "a", "b")]),
        ("Älice <ä@b>", [("Älice", None, "ä", "b")]),
        ("<a@b", [(None, None, "a", "b")]),
    ],
)  # fmt: skip
def test_addresses(text: str | None, expected: list[fields.Mailbox] | None) -> None:
    found = addresses(text)
    assert (None if found is None else list(found)) == expected


def test_envelope_falls_back_to_from() -> None:
    found = envelope({"From": "a@b", "Reply-To": " ", "Subject": "s"}.get)
    author = ((None, None, "a", "b"),)
    assert found == (
        None, "s", author, author, author, None, None, None, None, None
    )  # fmt: skip


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        (b" a\r\n b\r\n", "a b"),
        (b"\tx\r\n\ty ", "x y"),
        ("é".encode(), "é"),
        (b"\xe9", "\ufffd"),
        (b"a\0b\rc\nd\x7f", "a b c d"),
    ],
)
def test_unfold(octets: bytes, text: str) -> None:
    assert unfold(octets) == text


ANY = st.text(
    st.sampled_from("ab;=*'\"\\()<>@,:. %0-9\r\n\t[]é") | st.characters(), max_size=60
)


@given(ANY)
def test_any_text_is_read(text: str) -> None:
    parameters(text)
    for mailbox in addresses(text) or ():
        assert len(mailbox) == 4
    unfold(text.encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize(
    "piece",
    [*'()"<>;:,\\[ ', "a@b,", ";a=", "*0*=", "('", '(")'],
)
def test_endless_fields_take_linear_time(piece: str) -> None:
    began = time.process_time()
    for text in (piece * 100_000, "a/b;" + piece * 100_000, "a/b; x" + piece * 100_000):
        parameters(text)
        addresses(text)
        unfold(text.encode())
    assert time.process_time() - began < 5.0  # quadratic would be minutes
