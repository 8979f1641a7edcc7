# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maild.wire.imap_cursor import Cursor
from maild.wire.imap_write import (
    NoError,
    decode_mailbox,
    encode_mailbox,
    flag_list,
    from_utf7,
    literal_head,
    number_list,
    status_line,
    string,
    utf7,
)


def test_modified_utf7() -> None:
    assert utf7("~peter/mail/台北/日本語") == b"~peter/mail/&U,BTFw-/&ZeVnLIqe-"
    assert utf7("R&D") == b"R&-D"
    assert from_utf7("&U,BTFw-") == "台北"
    for text in ("&Jjo", "&Jjo!", "&", "a&b"):
        with pytest.raises(ValueError, match="UTF-7"):
            from_utf7(text)


@pytest.mark.parametrize(
    "octets", [b"\xff", b"a\nb", b"&Jjo", b"\x7f", "\u0085".encode(), b"&2AA-"]
)
def test_what_is_no_mailbox_name(octets: bytes) -> None:
    with pytest.raises(NoError):
        decode_mailbox(octets)


def test_inbox_in_any_case() -> None:
    assert decode_mailbox(b"inBox") == "INBOX"
    assert decode_mailbox(b"inBox/x") == "INBOX/x"
    assert decode_mailbox(b"inBoxes") == "inBoxes"


def test_utf8_names() -> None:
    assert decode_mailbox("Entwürfe".encode(), utf8=True) == "Entwürfe"
    assert decode_mailbox("Entwürfe".encode()) == "Entwürfe"
    assert decode_mailbox(b"R&D", utf8=True) == "R&D"
    assert encode_mailbox("Entwürfe", utf8=True) == '"Entwürfe"'.encode()


_NAMES = st.text(
    st.characters(min_codepoint=32, exclude_categories=("Cs", "Cc")), min_size=1
).filter(lambda name: name[:5].upper() != "INBOX")


@given(_NAMES, st.booleans())
def test_names_come_back(name: str, utf8: bool) -> None:
    octets = Cursor(encode_mailbox(name, utf8=utf8)).astring()
    assert decode_mailbox(octets, utf8=utf8) == name


def test_no_text_can_add_a_line() -> None:
    assert status_line("a", "NO", "x\r\nb OK y", "CODE") == b"a NO [CODE] x  b OK y\r\n"


def test_small_things() -> None:
    assert flag_list(("\\Seen", "x")) == b"(\\Seen x)"
    assert number_list((1, 2)) == b"1 2"
    assert literal_head(3, binary=True) == b"~{3}\r\n"
    assert string(b"a\nb") == b"{3}\r\na\nb"
    assert string("ü".encode()) == b"{2}\r\n\xc3\xbc"
    assert string(b"x" * 1001).startswith(b"{1001}")
