# SPDX-License-Identifier: Apache-2.0
"""Login (seed 201, 202): what is said in clear, what is said inside, who is let in."""

from __future__ import annotations

import asyncio
import base64
import imaplib
import re
import smtplib
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.flows.ladder import ClosedPort
from tests.flows.programs import Programs, edit, eventually, playground
from tests.flows.wiretap import tapped

FAIL2BAN = re.compile(
    r"unknown\[(?P<host>[0-9.]+)\]: SASL (?:LOGIN|PLAIN|SCRAM-SHA-256(?:-PLUS)?)"
    r" authentication failed: sasl_username=(?P<user>\S+)$"
)
"""The core of fail2ban's filter postfix[mode=auth], with the mechanisms we have."""


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Programs]:
    """Two servers that also listen where TLS comes by STARTTLS."""
    ports = {table: ClosedPort() for table in ("submission", "imap")}

    def change(made: Path) -> None:
        for table, held in ports.items():
            listen = [f"127.0.0.1:{held.port}"]
            edit(made / "a.toml", table, listen_starttls=listen)
            held.close()

    folder = tmp_path_factory.mktemp("login") / "playground"
    with playground(folder, change=change) as made:
        for table, held in ports.items():
            made.facts["servers"]["a"][f"{table}_starttls"] = held.port
        yield made


def test_no_login_is_offered_in_clear(programs: Programs) -> None:
    alice = programs.account("alice")
    for listener in ("submission_starttls", "smtp"):
        with smtplib.SMTP("localhost", programs.port("a", listener)) as smtp:
            smtp.ehlo()
            assert smtp.has_extn("starttls")
            assert not smtp.has_extn("auth")
            guess = base64.b64encode(b"\0x\0y").decode()
            assert smtp.docmd("AUTH", f"PLAIN {guess}")[0] >= 500
            smtp.starttls(context=programs.tls)
            smtp.ehlo()
            assert smtp.has_extn("auth") == listener.startswith("submission")
    with imaplib.IMAP4("localhost", programs.port("a", "imap_starttls")) as imap:
        assert "LOGINDISABLED" in imap.capabilities
        assert not [name for name in imap.capabilities if name.startswith("AUTH=")]
        with pytest.raises(imaplib.IMAP4.error, match="PRIVACYREQUIRED"):
            imap.login(alice["address"], "a guess")
        imap.starttls(programs.tls)
        assert "AUTH=SCRAM-SHA-256" in imap.capabilities
        imap.login(alice["address"], alice["password"])


async def test_a_decrypted_login_gives_nothing_away(
    programs: Programs, tmp_path: Path
) -> None:
    """Neither the password nor anything that lets somebody in who says it again."""
    alice = programs.account("alice")
    profile = Path(alice["profile"]) / "profile.toml"
    before = profile.read_text()
    file = tmp_path / "small.bin"
    file.write_bytes(b"x")
    async with (
        tapped(programs, "a", "submission") as smtp,
        tapped(programs, "a", "imap") as imap,
    ):
        text = before
        for listener, tap in (("submission", smtp), ("imap", imap)):
            port = programs.port("a", listener)
            text = text.replace(f":{port}", f":{tap.port}")
        profile.write_text(text)
        await asyncio.to_thread(programs.mshare, "alice", "upload", file)
        profile.write_text(before)
    for tap in (smtp, imap):
        everything = tap.everything
        assert b"SCRAM-SHA-256" in everything
        assert alice["password"].encode() not in in_the_open(everything)
    (said,) = [bytes(one) for one in smtp.said if b"AUTH SCRAM" in one]
    first, final = re.findall(rb"AUTH (SCRAM-[^\r]*)\r\n([^\r]*)\r\n", said)[0]
    with smtplib.SMTP_SSL(
        "localhost", programs.port("a", "submission"), context=programs.tls
    ) as again:
        again.ehlo()
        assert again.docmd("AUTH", first.decode())[0] == 334
        code, text_said = again.docmd(final.decode())
        assert (code, text_said[:5]) == (535, b"5.7.8")


def in_the_open(octets: bytes) -> bytes:
    """Return them together with all that is base64 in them, decoded."""
    decoded = [
        base64.b64decode(word + b"=" * (-len(word) % 4))
        for word in re.findall(rb"[A-Za-z0-9+/]{8,}={0,2}", octets)
        if len(word.rstrip(b"=")) % 4 != 1
    ]
    return b"\n".join([octets, *decoded])


def test_who_is_unknown_looks_like_who_is_wrong(programs: Programs) -> None:
    alice = programs.account("alice")["address"]
    asked = {alice: "not the password", "nobody@a.example": "not the password"}
    server = programs.servers["a"]
    began = len(server.log)
    answers = {user: refused(programs, user, word) for user, word in asked.items()}
    assert len(set(answers.values())) == 1, answers
    smtp, imap = next(iter(answers.values()))
    assert smtp.startswith("535 5.7.8")
    assert imap.startswith("[AUTHENTICATIONFAILED]")

    def lines() -> list[re.Match[str]] | None:
        found = [FAIL2BAN.search(line.rstrip("\n")) for line in server.log[began:]]
        matched = [each for each in found if each]
        return matched if len(matched) == 2 * len(asked) else None

    found = eventually(lines, "each failure has its line")
    assert {each["host"] for each in found} == {"127.0.0.1"}
    assert {each["user"] for each in found} == set(asked)


def refused(programs: Programs, user: str, password: str) -> tuple[str, str]:
    """Return what SMTP and IMAP say to a login that fails."""
    with smtplib.SMTP_SSL(
        "localhost", programs.port("a", "submission"), context=programs.tls
    ) as smtp:
        smtp.ehlo()
        told = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
        code, text = smtp.docmd("AUTH", f"PLAIN {told}")
    imap = imaplib.IMAP4_SSL(
        "localhost", programs.port("a", "imap"), ssl_context=programs.tls
    )
    with imap, pytest.raises(imaplib.IMAP4.error) as error:
        imap.login(user, password)
    return f"{code} {text.decode()}", error.value.args[0].decode()


def test_the_password_travels_inside_tls_only(programs: Programs) -> None:
    """A server that nobody vouches for hears no name and no password."""
    stranger = ssl.create_default_context()
    for port in (programs.port("a", "submission"), programs.port("a", "imap")):
        with pytest.raises(ssl.SSLCertVerificationError):
            smtplib.SMTP_SSL("localhost", port, context=stranger)
