# SPDX-License-Identifier: Apache-2.0
"""SMTP commands: what is understood, what is refused, what is written."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maild.mail.address import Address, AddressError, parse_address
from maild.mail.envelope import Body, MailFrom, RcptTo
from maild.mail.reply import ReplyError
from maild.wire import smtp

BAD_CHUNKS = [
    "",
    "  1",
    " 1",
    "1 ",
    "-1",
    "+1",
    "1e3",
    "0x10",
    "1_0",
    "٣",
    "9223372036854775808",
    "1  LAST",
    "1 LAST ",
    "1 LASTS",
    "LAST",
    "1\tLAST",
    "00000000000000000001",
]
BAD_RECIPIENTS = [
    "TO:<>",
    "TO:<b@c> NOTIFY=",
    "TO:<b@c> NOTIFY=NEVER,DELAY",
    "TO:<b@c> NOTIFY=DELAY,DELAY",
    "TO:<b@c> ORCPT=x",
    "TO:<b@c> SIZE=1",
]
CAROL = Address("carol", "b.example")


def refused(argument: str) -> ReplyError:
    with pytest.raises(ReplyError) as caught:
        smtp.parse_bdat(argument)
    return caught.value


@pytest.mark.parametrize(
    ("argument", "size", "last"),
    [
        ("0", 0, False),
        ("0 LAST", 0, True),
        ("86 last", 86, True),
        ("9223372036854775807", 2**63 - 1, False),
    ],
)
def test_bdat(argument: str, size: int, *, last: bool) -> None:
    assert smtp.parse_bdat(argument) == smtp.Bdat(size, last)


@pytest.mark.parametrize("argument", BAD_CHUNKS)
def test_bdat_that_cannot_be_measured_hangs_up(argument: str) -> None:
    error = refused(argument)
    assert (error.reply.code, error.reply.status) == (501, "5.5.4")
    assert error.hang_up


@given(st.text())
def test_bdat_of_any_text(text: str) -> None:
    try:
        chunk = smtp.parse_bdat(text)
    except ReplyError:
        return
    assert smtp.bdat(chunk.size, last=chunk.last).isascii()


def test_mail_with_every_parameter() -> None:
    found = smtp.parse_mail(
        "from:<Carol@B.example> size=12 BODY=binarymime SMTPUTF8 RET=hdrs"
        " ENVID=a+3Db+20c AUTH=carol@b.example TRANSID=<Ab+c@b.example>"
    )
    assert found == MailFrom(
        Address("Carol", "b.example"),
        size=12,
        body=Body.BINARY,
        smtputf8=True,
        transid="Ab+c@b.example",
        ret="HDRS",
        envid="a=b c",
        auth="carol@b.example",
    )
    assert found.proof == "Ab+c"
    line = smtp.mail_from(found)
    assert line.endswith(b"\r\n")
    assert smtp.parse_mail(line[5:-2].decode()) == found


def test_the_null_path_and_a_space_that_many_send() -> None:
    assert smtp.parse_mail("FROM:<>").sender is None
    assert smtp.parse_mail("FROM: <carol@b.example>  SIZE=1 ").size == 1


@pytest.mark.parametrize(
    ("argument", "code"),
    [
        ("", 501),
        ("TO:<carol@b.example>", 501),
        ("FROM:carol@b.example", 501),
        ("FROM:<carol@b.example", 501),
        ("FROM:<carol@b.example>SIZE=1", 501),
        ("FROM:<x@a>y@b", 501),
        ("FROM:<carol>", 501),
        ("FROM:<a@b@c>", 501),
        ('FROM:<"a@b"c@d.example>', 501),
        ("FROM:<carol@b.example> SIZE", 501),
        ("FROM:<carol@b.example> SIZE=", 501),
        ("FROM:<carol@b.example> SIZE=1e3", 501),
        ("FROM:<carol@b.example> SIZE=9223372036854775808", 552),
        ("FROM:<carol@b.example> SMTPUTF8=1", 501),
        ("FROM:<carol@b.example> TRANSID=abc@b.example", 501),
        ("FROM:<carol@b.example> TRANSID=<>", 501),
        ("FROM:<carol@b.example> RET=SOME", 501),
        ("FROM:<carol@b.example> ENVID=a+3", 501),
        ("FROM:<carol@b.example> ENVID=a+0D+0Ab", 501),
        ("FROM:<carol@b.example> ENVID=+FF", 501),
        ("FROM:<carol@b.example> -X=1", 501),
        ("FROM:<carol@b.example> X-Y=1", 555),
        ("FROM:<carol@b.example> MT-PRIORITY=3", 555),
        ("FROM:<carol@b.example> NOTIFY=NEVER", 555),
        ("FROM:<karol\u0107@b.example>", 553),
    ],
)
def test_mail_refused(argument: str, code: int) -> None:
    with pytest.raises(ReplyError) as caught:
        smtp.parse_mail(argument)
    assert caught.value.reply.code == code
    assert not caught.value.hang_up


def test_rcpt() -> None:
    found = smtp.parse_rcpt(
        "to:<carol@b.example> NOTIFY=success,DELAY ORCPT=rfc822;c+2Bx@b.example",
        home="a.example",
        smtputf8=False,
    )
    assert found == RcptTo(CAROL, ("SUCCESS", "DELAY"), "rfc822;c+x@b.example")
    line = smtp.rcpt_to(found)
    assert line == (
        b"RCPT TO:<carol@b.example> NOTIFY=SUCCESS,DELAY"
        b" ORCPT=rfc822;c+2Bx@b.example\r\n"
    )


@pytest.mark.parametrize(
    ("path", "local", "domain"),
    [
        ("Postmaster", "Postmaster", "a.example"),
        ("@x.example,@y.example:carol@b.example", "carol", "b.example"),
        ('"a b"@b.example', "a b", "b.example"),
        ('"a>b\\""@b.example', 'a>b"', "b.example"),
        ("carol@[192.0.2.1]", "carol", "[192.0.2.1]"),
    ],
)
def test_rcpt_paths(path: str, local: str, domain: str) -> None:
    found = smtp.parse_rcpt(f"TO:<{path}>", home="a.example", smtputf8=False)
    assert found.recipient == Address(local, domain)


@pytest.mark.parametrize("argument", BAD_RECIPIENTS)
def test_rcpt_refused(argument: str) -> None:
    with pytest.raises(ReplyError):
        smtp.parse_rcpt(argument, home="a.example", smtputf8=False)


@given(st.text(), st.booleans())
def test_any_text_is_an_envelope_or_refused(text: str, utf8: bool) -> None:
    with suppress(ReplyError):
        smtp.parse_mail(f"FROM:<{text}")
    with suppress(ReplyError):
        smtp.parse_rcpt(f"TO:{text}", home="a.example", smtputf8=utf8)
    with suppress(ReplyError):
        smtp.parse_burl(text)


@given(st.text(st.characters(exclude_categories=["C", "Z"])))
def test_xtext_both_ways(text: str) -> None:
    written = smtp.to_xtext(text)
    assert written.isascii()
    assert "=" not in written
    assert smtp.from_xtext(written) == text


@given(st.text())
def test_an_address_is_one_for_policy_and_routing(text: str) -> None:
    try:
        address = parse_address(text)
    except AddressError:
        return
    if not str(address).isprintable():
        return
    argument = smtp.rcpt_to(RcptTo(address))[5:-2].decode()
    found = smtp.parse_rcpt(argument, home="a.example", smtputf8=True)
    assert found.recipient == address


def test_a_command_holds_no_line_end() -> None:
    with pytest.raises(ValueError, match="control"):
        smtp.mail_from(MailFrom(Address("a\r\nRCPT TO:<x@y>", "b.example")))
    with pytest.raises(ValueError, match="control"):
        smtp.burl("imap://x\r\n", last=True)


def test_chunks_and_urls() -> None:
    assert smtp.bdat(5, last=False) == b"BDAT 5\r\n"
    assert smtp.bdat(0, last=True) == b"BDAT 0 LAST\r\n"
    assert smtp.burl("imap://x", last=True) == b"BURL imap://x LAST\r\n"
    assert smtp.parse_burl("imap://x last") == smtp.Burl("imap://x", last=True)
    for bad in ("", "a b", "imap://x LAST LAST"):
        with pytest.raises(ReplyError):
            smtp.parse_burl(bad)
