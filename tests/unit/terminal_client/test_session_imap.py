# SPDX-License-Identifier: GPL-3.0-only
"""The IMAP connection: who is believed, and what happens when it breaks."""

from __future__ import annotations

import base64
import os
from pathlib import Path

import pytest

from terminal_client import errors, library, mailbox, offers
from terminal_client.session_imap import MailboxConnection
from terminal_client.tls import client_context
from tests.unit.terminal_client.fakes import PASSWORD, PLAIN, Script, Talk, servers


async def opened(folder: Path, script: Script) -> errors.TerminalError | None:
    async with servers(folder, imap=script) as made:
        connection = MailboxConnection(made.profile, client_context(made.profile))
        try:
            await connection.open(PASSWORD)
        except errors.TerminalError as error:
            return error
        finally:
            connection.abort()
    return None


@pytest.mark.parametrize(
    ("greeting", "status"),
    [
        ("* PREAUTH [CAPABILITY IMAP4rev1] welcome alice", os.EX_PROTOCOL),
        ("* BYE too many connections", os.EX_TEMPFAIL),
        ("220 a.example ESMTP", os.EX_PROTOCOL),
    ],
)
async def test_greetings_that_are_refused(
    tmp_path: Path, greeting: str, status: int
) -> None:
    async def script(talk: Talk) -> None:
        await talk.say(greeting)
        assert await talk.reader.read(-1) == b""

    found = await opened(tmp_path, script)
    assert found is not None
    assert found.status == status


async def test_a_wrong_password(tmp_path: Path) -> None:
    async def script(talk: Talk) -> None:
        await talk.say("* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] a.example")
        tag = await talk.command("AUTHENTICATE PLAIN")
        await talk.say(f"{tag} NO [AUTHENTICATIONFAILED] authentication failed")

    found = await opened(tmp_path, script)
    assert isinstance(found, errors.NotAllowedError)
    assert "mshare login" in str(found)


async def test_without_initial_responses_the_server_asks(tmp_path: Path) -> None:
    async def script(talk: Talk) -> None:
        await talk.say("* OK a.example")
        tag = await talk.command("CAPABILITY")
        await talk.say("* CAPABILITY IMAP4rev1 AUTH=PLAIN", f"{tag} OK")
        tag = await talk.command("AUTHENTICATE PLAIN")
        await talk.say("+ ")
        await talk.hear(PLAIN)
        await talk.say(f"{tag} OK in")

    assert await opened(tmp_path, script) is None


async def test_a_server_that_cannot_prove_itself(tmp_path: Path) -> None:
    async def script(talk: Talk) -> None:
        await talk.say("* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=SCRAM-SHA-256] a")
        first = (await talk.hear()).split(" ")[3]
        nonce = base64.b64decode(first).decode().rpartition("r=")[2]
        challenge = f"r={nonce}abc,s=c2FsdHNhbHRzYWx0,i=4096".encode()
        await talk.say(f"+ {base64.b64encode(challenge).decode()}")
        await talk.hear()
        proof = base64.b64encode(b"v=" + b"A" * 43 + b"=").decode()
        await talk.say(f"+ {proof}")
        assert await talk.reader.read(-1) == b""

    found = await opened(tmp_path, script)
    assert isinstance(found, errors.ProtocolError)
    assert "could not prove" in str(found)


async def test_yes_without_any_proof(tmp_path: Path) -> None:
    async def script(talk: Talk) -> None:
        await talk.say("* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=SCRAM-SHA-256] a")
        tag = await talk.command("AUTHENTICATE SCRAM-SHA-256")
        await talk.say(f"{tag} OK welcome")

    found = await opened(tmp_path, script)
    assert isinstance(found, errors.ProtocolError)


async def test_a_lost_connection_ends_every_wait(tmp_path: Path) -> None:
    async def script(talk: Talk) -> None:
        await talk.imap_login()
        await talk.command("EXAMINE")

    async with servers(tmp_path, imap=script) as made:
        connection = MailboxConnection(made.profile, client_context(made.profile))
        await connection.open(PASSWORD)
        with pytest.raises(errors.TryLaterError, match="was lost"):
            await library.everything(connection)
        assert not connection.is_open
        await connection.close()


async def test_a_server_that_speaks_nonsense(tmp_path: Path) -> None:
    async def script(talk: Talk) -> None:
        await talk.imap_login()
        await talk.command("EXAMINE")
        await talk.say("B9 OK this was never asked")

    async with servers(tmp_path, imap=script) as made:
        connection = MailboxConnection(made.profile, client_context(made.profile))
        await connection.open(PASSWORD)
        with pytest.raises(errors.ProtocolError):
            await library.everything(connection)


async def test_the_upload_check_is_one_search_and_one_fetch(tmp_path: Path) -> None:
    async def script(talk: Talk) -> None:
        await talk.imap_login()
        examine = await talk.command('EXAMINE "Library"')
        search = await talk.command("UID SEARCH HEADER Share-Number 001")
        await talk.say(
            "* 3 EXISTS",
            "* OK [UIDVALIDITY 42] ids",
            f"{examine} OK [READ-ONLY] done",
            "* SEARCH 3 9",
            f"{search} OK done",
        )
        fetch = await talk.command("UID FETCH 3,9 (UID FLAGS BODY.PEEK[HEADER.FIELDS")
        for sequence, uid, code in ((1, 3, "Aaa123"), (2, 9, "Bbb456")):
            fields = (
                f"Share-Number: 001\r\nShare-Code: {code}\r\n"
                "Share-Terminal: t1\r\nShare-Item: item1\r\n\r\n"
            )
            await talk.say(
                f"* {sequence} FETCH (UID {uid} BODY[HEADER.FIELDS (X)]"
                f" {{{len(fields)}}}\r\n{fields})"
            )
        await talk.say(f"{fetch} OK done")

    async with servers(tmp_path, imap=script) as made:
        connection = MailboxConnection(made.profile, client_context(made.profile))
        await connection.open(PASSWORD)
        held = await library.held_under(connection, "001", "Bbb456", 10)
        assert [(h.uid, h.code, h.terminal) for h in held] == [
            (3, "Aaa123", "t1"),
            (9, "Bbb456", "t1"),
        ]
        assert connection.uid_validity == 42
        connection.abort()


async def test_many_numbers_that_hold_this_one_hide_none(tmp_path: Path) -> None:
    """Header fields are searched for parts of them (RFC 9051 §6.4.4)."""

    async def script(talk: Talk) -> None:
        await talk.imap_login()
        examine = await talk.command('EXAMINE "Library"')
        search = await talk.command("UID SEARCH HEADER Share-Number 123")
        uids = " ".join(map(str, range(5, 200)))
        await talk.say(f"{examine} OK", f"* SEARCH {uids}", f"{search} OK done")
        search = await talk.command(
            "UID SEARCH HEADER Share-Number 123 HEADER Share-Code Aaa123"
        )
        await talk.say("* SEARCH 5", f"{search} OK done")
        fetch = await talk.command(
            f"UID FETCH 5,{','.join(map(str, range(180, 200)))} (UID FLAGS"
        )
        fields = "Share-Number: 123\r\nShare-Code: Aaa123\r\n\r\n"
        await talk.say(
            f"* 1 FETCH (UID 5 BODY[HEADER.FIELDS (X)] {{{len(fields)}}}\r\n{fields})",
            f"{fetch} OK done",
        )

    async with servers(tmp_path, imap=script) as made:
        connection = MailboxConnection(made.profile, client_context(made.profile))
        await connection.open(PASSWORD)
        held = await library.held_under(connection, "123", "Aaa123", 10)
        assert [(h.uid, h.code) for h in held] == [(5, "Aaa123")]
        connection.abort()


async def test_the_largest_items_need_imap4rev2(tmp_path: Path) -> None:
    async def script(talk: Talk) -> None:
        await talk.imap_login("IMAP4rev1 IMAP4rev2 ENABLE")
        enable = await talk.command("ENABLE IMAP4rev2")
        examine = await talk.command('EXAMINE "Library"')
        search = await talk.command("UID SEARCH HEADER Share-Number 001")
        await talk.say(
            "* ENABLED IMAP4rev2",
            f"{enable} OK",
            f"{examine} OK",
            f'* ESEARCH (TAG "{search}") UID ALL 2,4:6',
            f"{search} OK",
        )
        await talk.command("UID FETCH 2,4,5,6 ")

    async with servers(tmp_path, imap=script) as made:
        connection = MailboxConnection(made.profile, client_context(made.profile))
        await connection.open(PASSWORD)
        with pytest.raises(errors.TryLaterError):
            await library.held_under(connection, "001", "Aaa123", 2**33)


async def test_deciding_is_moving(tmp_path: Path) -> None:
    facts = (
        '{"maild": 1, "kind": "offer", "id": "offer12345", "nonce": "' + "0" * 32 + '",'
        '"sender": "bob@b.example", "recipient": "alice@a.example", "name": "f.mov",'
        '"type": "video/quicktime", "size": 5, "sha256": null, "created": 1,'
        '"expires": 9999999999, "home": "b.example", "trace": "0011223344556677",'
        '"note": "hi"}'
    )

    async def script(talk: Talk) -> None:
        await talk.imap_login()
        select = await talk.command('SELECT "INBOX"')
        search = await talk.command("UID SEARCH KEYWORD $Offer UNDELETED")
        await talk.say(f"{select} OK", "* SEARCH 8", f"{search} OK")
        fetch = await talk.command("UID FETCH 8 (UID BODYSTRUCTURE)")
        leaf = '"{}" "{}" NIL NIL NIL "7BIT" 10'
        parts = f"({leaf.format('TEXT', 'PLAIN')} 1)"
        parts += f"({leaf.format('APPLICATION', 'VND.MAILD+JSON')})"
        await talk.say(
            f'* 1 FETCH (UID 8 BODYSTRUCTURE ({parts} "MIXED"))', f"{fetch} OK"
        )
        fetch = await talk.command("UID FETCH 8 (UID BINARY.PEEK[2])")
        await talk.say(
            f"* 1 FETCH (UID 8 BINARY[2] {{{len(facts)}}}\r\n{facts})", f"{fetch} OK"
        )
        move = await talk.command("UID MOVE 8 Accepted")
        await talk.say(f"{move} OK moved")

    async with servers(tmp_path, imap=script) as made:
        connection = MailboxConnection(made.profile, client_context(made.profile))
        await connection.open(PASSWORD)
        (waiting,) = await offers.waiting(connection)
        assert (waiting.place, waiting.offer.name, waiting.offer.note) == (
            1,
            "f.mov",
            "hi",
        )
        assert offers.pick([waiting], "1") == waiting
        assert offers.pick([waiting], "offer1") == waiting
        with pytest.raises(errors.NoInputError):
            offers.pick([waiting], "2")
        await offers.decide(connection, waiting, accepted=True)
        connection.abort()


def test_names_of_parts() -> None:
    """RFC 2231 in BODYSTRUCTURE, as servers give it: in pieces and encoded."""
    structure = [
        b"APPLICATION",
        b"OCTET-STREAM",
        None,
        None,
        None,
        b"BASE64",
        "100",
        None,
        [
            b"ATTACHMENT",
            [
                b"FILENAME*0*",
                b"utf-8''%F0%9F%8E%AC",
                b"FILENAME*1",
                b' "x".mov',
                b"SIZE",
                b"73",
            ],
        ],
    ]
    (leaf,) = mailbox.leaves(structure)
    assert (leaf.section, leaf.filename, leaf.size) == ("1", '🎬 "x".mov', 73)
