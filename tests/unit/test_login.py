# SPDX-License-Identifier: Apache-2.0
"""Who gets in, by SCRAM and by PLAIN, against a real store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from scramp import ScramClient

from maild.backoff import NO_DELAYS, Delays
from maild.identity import Identity
from maild.login import Gate, LoginError, make_keys
from maild.mail.address import Address
from maild.store import accounts
from maild.store.house import Store
from maild.wire import sasl

HERE = "192.0.2.1"
ALICE = Address("alice", "a.example")


@pytest.fixture(scope="module")
def certificate() -> bytes:
    issued = trustme.CA().issue_cert("mx.a.example").cert_chain_pems[0].bytes()
    return x509.load_pem_x509_certificate(issued).public_bytes(Encoding.DER)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path, clock=lambda: 1000.0)
    made.open()
    keys = make_keys("pencil", b"0123456789abcdef", 4096)
    made.index.submit(accounts.create, ALICE, keys, 1.0).result()
    yield made
    made.close()


@pytest.fixture
def gate(store: Store, certificate: bytes) -> Gate:
    return Gate(store, identity(certificate), NO_DELAYS)


def identity(certificate: bytes, *domains: str) -> Identity:
    return Identity(
        "mx.a.example", frozenset(domains or ["a.example"]), None, certificate
    )


class WithAuthzid:
    """What a client binds that says who to act for, as Cyrus SASL's does."""

    def __init__(self, authzid: str) -> None:
        self.octets = f"n,a={authzid},".encode()

    def make_cbind_input(self, binding: object) -> bytes:
        return self.octets


async def scram(
    gate: Gate,
    user: str = "alice@a.example",
    password: str = "pencil",
    mechanism: str = sasl.SCRAM,
    binding: tuple[str, bytes] | None = None,
    authzid: str = "",
) -> accounts.Account | None:
    """Log in as a SCRAM client and check the server's signature."""
    client = ScramClient([mechanism], user, password, channel_binding=binding)
    exchange = gate.begin(mechanism, HERE)
    message = client.get_client_first()
    if authzid:
        client.gs2_header = WithAuthzid(authzid)
        message = message.replace(",,", f",a={authzid},", 1)
    first = await exchange.answer(message.encode())
    assert first.account is None
    client.set_server_first(first.octets.decode())
    final = await exchange.answer(client.get_client_final().encode())
    client.set_server_final(final.octets.decode())
    assert (await exchange.answer(b"")).account == final.account
    with pytest.raises(LoginError):
        await exchange.answer(b"more")
    return final.account


@pytest.mark.parametrize("user", ["alice@a.example", "alice", "ALICE@A.EXAMPLE"])
async def test_scram_lets_the_owner_in(gate: Gate, user: str) -> None:
    account = await scram(gate, user)
    assert account is not None
    assert account.address == ALICE


@pytest.mark.parametrize("authzid", ["alice@a.example", "alice"])
async def test_scram_lets_a_client_name_itself_twice(gate: Gate, authzid: str) -> None:
    assert await scram(gate, authzid=authzid)


@pytest.mark.parametrize("authzid", ["bob@a.example", "alice@b.example", "a=2Cb"])
async def test_scram_lets_nobody_act_for_another(gate: Gate, authzid: str) -> None:
    with pytest.raises(LoginError):
        await scram(gate, authzid=authzid)


async def test_scram_with_the_binding(gate: Gate) -> None:
    assert gate.binding is not None
    assert await scram(
        gate, mechanism=sasl.SCRAM_PLUS, binding=(sasl.BINDING, gate.binding)
    )


async def test_scram_with_another_servers_binding_is_refused(gate: Gate) -> None:
    with pytest.raises(LoginError):
        await scram(gate, mechanism=sasl.SCRAM_PLUS, binding=(sasl.BINDING, b"x" * 32))


async def test_a_removed_plus_is_noticed(gate: Gate) -> None:
    """``y,,``: the client could bind and believes that we cannot (RFC 5802 §6)."""
    with pytest.raises(LoginError):
        await scram(gate, binding=(sasl.BINDING, b"x" * 32))


async def test_y_is_fine_where_plus_is_not_offered(store: Store) -> None:
    gate = Gate(store, identity(b""), NO_DELAYS)
    assert gate.mechanisms() == (sasl.SCRAM, sasl.PLAIN)
    assert await scram(gate, binding=(sasl.BINDING, b"x" * 32))


@pytest.mark.parametrize(
    ("mechanism", "head"),
    [(sasl.SCRAM, "p=tls-server-end-point,,"), (sasl.SCRAM_PLUS, "n,,")],
)
async def test_flag_and_mechanism_must_agree(
    gate: Gate, mechanism: str, head: str
) -> None:
    with pytest.raises(LoginError):
        await gate.begin(mechanism, HERE).answer(f"{head}n=alice,r=abc".encode())


@pytest.mark.parametrize("user", ["alice@a.example", "nobody", "x@b.example", "a@@b"])
async def test_scram_refuses_late_and_alike(gate: Gate, user: str) -> None:
    """Unknown and known users both get a salt; both fail at the proof."""
    client = ScramClient([sasl.SCRAM], user, "wrong")
    exchange = gate.begin(sasl.SCRAM, HERE)
    first = await exchange.answer(client.get_client_first().encode())
    client.set_server_first(first.octets.decode())
    with pytest.raises(LoginError):
        await exchange.answer(client.get_client_final().encode())
    assert exchange.user == user


async def test_the_fake_salt_stays_and_differs(gate: Gate) -> None:
    first = (await gate.keys("nobody"))[1]
    assert first == (await gate.keys("nobody@a.example"))[1]
    assert first.salt != (await gate.keys("nemo"))[1].salt
    assert len(first.salt) == 16


@pytest.mark.parametrize(
    "message",
    [
        b"", b"n,,", b"n,,n=alice", b"n,a=bob,n=alice,r=abc", b"n,,n=,r=abc",
        b"n,,n=\xff,r=abc", b"n,,n=alice,r=", b"z,,n=alice,r=abc",
        b"n,,m=x,n=alice,r=a", b"n,,n=alice=,r=abc", b"x" * 3000,
    ],
)  # fmt: skip
async def test_scram_malformed(gate: Gate, message: bytes) -> None:
    with pytest.raises(LoginError):
        await gate.begin(sasl.SCRAM, HERE).answer(message)


@pytest.mark.parametrize("authzid", ["", "alice", "alice@a.example"])
async def test_plain_lets_the_owner_in(gate: Gate, authzid: str) -> None:
    exchange = gate.begin("plain", HERE)
    found = await exchange.answer(f"{authzid}\0alice\0pencil".encode())
    assert found.octets == b""
    assert found.account is not None
    assert found.account.address == ALICE


@pytest.mark.parametrize(
    "message",
    [
        "\0alice\0wrong",
        "\0alice\0pencil ",
        "\0nobody\0pencil",
        "bob\0alice\0pencil",
        "\0alice@b.example\0pencil",
        "\0alice\0\u0007",
        "alice\0pencil",
    ],
)
async def test_plain_keeps_others_out(gate: Gate, message: str) -> None:
    with pytest.raises(LoginError):
        await gate.begin(sasl.PLAIN, HERE).answer(message.encode())


async def test_local_part_alone_needs_a_single_domain(
    store: Store, certificate: bytes
) -> None:
    gate = Gate(store, identity(certificate, "a.example", "c.example"), NO_DELAYS)
    assert await gate.check_password("alice@a.example", "pencil", HERE)
    with pytest.raises(LoginError):
        await gate.check_password("alice", "pencil", HERE)


async def test_guessing_ends(
    store: Store, certificate: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []

    async def note(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr("maild.login.asyncio.sleep", note)
    gate = Gate(store, identity(certificate), Delays(free=2, first=10.0, most=30.0))
    for _ in range(9):
        with pytest.raises(LoginError):
            await gate.check_password("alice", "guess", HERE)
    assert waits == [10, 30]  # each behind the one before; then none is heard


def test_unknown_mechanism(store: Store) -> None:
    with pytest.raises(LoginError):
        Gate(store, identity(b"")).begin("LOGIN", HERE)
    with pytest.raises(LoginError):
        Gate(store, identity(b"")).begin(sasl.SCRAM_PLUS, HERE)


@pytest.mark.parametrize("password", ["", "\u0007", "a\ue000"])
def test_no_keys_for_impossible_passwords(password: str) -> None:
    with pytest.raises(LoginError):
        make_keys(password, b"0123456789abcdef")
