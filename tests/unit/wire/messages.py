# SPDX-License-Identifier: Apache-2.0
"""The messages that the tests of the MIME reader read."""

from __future__ import annotations

from base64 import encodebytes

PDF = bytes(range(256)) * 40


def coded(octets: bytes) -> bytes:
    """Canonical base64: 76 columns, CRLF also at the end."""
    return encodebytes(octets).replace(b"\n", b"\r\n")


def lines(*texts: bytes) -> bytes:
    return b"\r\n".join(texts) + b"\r\n"


HEAD = lines(b"From: Alice <alice@a.example>", b"To: bob@b.example", b"Subject: hi")

MESSAGES = {
    "plain": HEAD + lines(b"", b"hello", b"world"),
    "no body": HEAD,
    "empty body": HEAD + b"\r\n",
    "nothing": b"",
    "only an empty line": b"\r\n",
    "text without line end": HEAD + b"\r\nhello",
    "quoted-printable": HEAD
    + lines(
        b"Content-Type: text/plain; charset=utf-8",
        b"Content-Transfer-Encoding: quoted-printable",
        b"",
        b"h=C3=A4llo =",
        b"world",
    ),
    "mixed": HEAD
    + lines(
        b'Content-Type: multipart/mixed; boundary="b1"',
        b"",
        b"a preamble",
        b"--b1",
        b"Content-Type: text/plain",
        b"",
        b"text",
        b"--b1",
        b"Content-Type: application/pdf",
        b"Content-Transfer-Encoding: base64",
        b"Content-Disposition: attachment; filename=x.pdf; size=10240",
        b"",
        coded(PDF).removesuffix(b"\r\n"),
        b"--b1--",
        b"an epilogue",
    ),
    "nested": HEAD
    + lines(
        b"Content-Type: multipart/mixed; boundary=abc",
        b"",
        b"--abc",
        b"Content-Type: multipart/alternative; boundary=abcd",
        b"",
        b"--abcd",
        b"",
        b"plain",
        b"--abcd ",
        b"Content-Type: text/html",
        b"",
        b"<p>html",
        b"--abcde is content",
        b"--abcd--",
        b"--abc",
        b"Content-Type: image/png",
        b"Content-Transfer-Encoding: base64",
        b"",
        coded(PDF),
        b"--abc--",
    ),
    "inner missing its end": HEAD
    + lines(
        b"Content-Type: multipart/mixed; boundary=outer",
        b"",
        b"--outer",
        b"Content-Type: multipart/mixed; boundary=inner",
        b"",
        b"--inner",
        b"",
        b"one",
        b"--outer",
        b"",
        b"two",
        b"--outer--",
    ),
    "missing end": HEAD
    + lines(
        b"Content-Type: multipart/mixed; boundary=b1",
        b"",
        b"--b1",
        b"",
        b"one",
        b"--b1",
        b"",
        b"two",
    ).removesuffix(b"\r\n"),  # without an end, the library drops a last line end
    "end without line end": HEAD
    + lines(b"Content-Type: multipart/mixed; boundary=b1", b"", b"--b1", b"", b"one")
    + b"--b1--",
    "empty parts": HEAD
    + lines(
        b"Content-Type: multipart/mixed; boundary=b1",
        b"",
        b"--b1",
        b"",
        b"--b1",
        b"Content-Type: text/html",
        b"",
        b"",
        b"--b1--",
    ),
    "message inside": HEAD
    + lines(
        b"Content-Type: multipart/mixed; boundary=b1",
        b"",
        b"--b1",
        b"Content-Type: message/rfc822",
        b"",
        b"From: carol@c.example",
        b"Subject: inner",
        b"Content-Type: multipart/mixed; boundary=b2",
        b"",
        b"--b2",
        b"",
        b"inner text",
        b"--b2",
        b"Content-Type: application/zip",
        b"Content-Transfer-Encoding: base64",
        b"",
        coded(PDF).removesuffix(b"\r\n"),
        b"--b2--",
        b"",
        b"--b1--",
    ),
    "digest": HEAD
    + lines(
        b"Content-Type: multipart/digest; boundary=b1",
        b"",
        b"--b1",
        b"",
        b"Subject: one",
        b"",
        b"text one",
        b"--b1",
        b"",
        b"Subject: two",
        b"",
        b"text two",
        b"--b1--",
    ),
    "folded header": lines(
        b"Subject: a",
        b"  folded",
        b"\tsubject",
        b"Content-Type: text/plain;",
        b" charset=utf-8;",
        b" name*0*=UTF-8''%F0%9F%98%80;",
        b' name*1=" x";',
        b' comment="a;b\\"c"',
        b"",
        b"text",
    ),
    "root base64": HEAD
    + lines(
        b"Content-Type: application/pdf", b"Content-Transfer-Encoding: base64", b""
    )
    + coded(PDF),
}  # fmt: skip


def part_of(content: bytes, encoding: bytes = b"base64") -> bytes:
    return HEAD + lines(
        b"Content-Type: multipart/mixed; boundary=b1",
        b"",
        b"--b1",
        b"Content-Type: application/pdf",
        b"Content-Transfer-Encoding: " + encoding,
        b"",
        content,
        b"--b1--",
    )
