# SPDX-License-Identifier: Apache-2.0
"""SASL messages: PLAIN, the head of SCRAM, the channel binding of a certificate."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from maild.wire import sasl


def certificate(key: object, algorithm: hashes.HashAlgorithm | None) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a.example")])
    now = datetime(2026, 1, 1, tzinfo=UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())  # type: ignore[attr-defined]
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .sign(key, algorithm)  # type: ignore[arg-type]
    )
    return made.public_bytes(serialization.Encoding.DER)


@pytest.mark.parametrize(
    ("algorithm", "name"), [(hashes.SHA256(), "sha256"), (hashes.SHA384(), "sha384")]
)
def test_the_binding_uses_the_hash_of_the_signature(
    algorithm: hashes.HashAlgorithm, name: str
) -> None:
    der = certificate(ec.generate_private_key(ec.SECP256R1()), algorithm)
    assert sasl.end_point_binding(der) == hashlib.new(name, der).digest()


def test_a_signature_without_a_hash_has_no_binding() -> None:
    der = certificate(ed25519.Ed25519PrivateKey.generate(), None)
    assert sasl.end_point_binding(der) is None


@pytest.mark.parametrize("octets", [b"", b"no certificate"])
def test_no_certificate_no_binding(octets: bytes) -> None:
    assert sasl.end_point_binding(octets) is None


def test_plain_says_who_and_what() -> None:
    found = sasl.parse_plain("alice\0älice@a.example\0pässword".encode())
    assert found == sasl.Credentials("alice", "älice@a.example", "pässword")


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"\0",
        b"\0a\0",
        b"\0\0b",
        b"a\0b",
        b"a\0b\0c\0d",
        b"\0a\0\xff",
        b"\0a\0" + b"b" * 2048,
    ],
)
def test_plain_malformed(octets: bytes) -> None:
    with pytest.raises(sasl.SaslError):
        sasl.parse_plain(octets)


@given(st.text(min_size=1, max_size=50), st.text(min_size=1, max_size=50))
def test_plain_round_trip(user: str, password: str) -> None:
    if "\0" in user + password:
        with pytest.raises(sasl.SaslError):
            sasl.plain(user, password)
    else:
        assert sasl.parse_plain(sasl.plain(user, password)) == sasl.Credentials(
            "", user, password
        )


@given(st.binary(max_size=100))
def test_any_octets_are_read_or_refused(octets: bytes) -> None:
    for parse in (
        sasl.parse_plain,
        lambda found: sasl.parse_client_first(sasl.text(found)),
    ):
        try:
            parse(octets)
        except sasl.SaslError:
            continue


def test_the_head_of_scram_names_the_user() -> None:
    found = sasl.parse_client_first("p=tls-server-end-point,,n=a=2Cb=3Dc,r=nonce")
    assert (found.binding, found.user) == ("p=tls-server-end-point", "a,b=c")
    assert (found.authzid, found.acts_for) == ("", "")


def test_an_authzid_is_read_and_left_out() -> None:
    found = sasl.parse_client_first("n,a=x=2Cy,n=alice,r=nonce")
    assert (found.authzid, found.acts_for) == ("a=x=2Cy", "x,y")
    assert found.bare == "n,,n=alice,r=nonce"
