# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
import base64
import hashlib
import imaplib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from scramp import ScramClient

from maild.imapd.server import VERBS
from maild.wire.imap_order import ALLOWED
from tests.unit.imapd.live import PASSWORD, Live, live

MESSAGE = b"From: a@a.example\r\nSubject: hello\r\n\r\nbody\r\n"


@pytest.fixture
async def station(tmp_path: Path) -> AsyncIterator[Live]:
    async with live(tmp_path) as running:
        yield running


async def test_login_list_select(station: Live) -> None:
    client = await station.client()
    assert b"AUTH=SCRAM-SHA-256 " in client.greeting
    assert b"LOGINDISABLED" not in client.greeting
    lines = await client.ok(f'LOGIN alice@a.example "{PASSWORD}"')
    assert b"IDLE" in lines[-1]
    lines = await client.ok('LIST "" *')
    assert b'* LIST (\\HasNoChildren) "/" INBOX' in lines
    assert b'* LIST (\\HasNoChildren \\Trash) "/" Trash' in lines
    lines = await client.ok('LSUB "" *')
    assert b'* LSUB () "/" Items' in lines
    assert b'* LSUB () "/" Library' not in lines
    lines = await client.ok("SELECT inbox")
    assert b"* 0 EXISTS" in lines
    assert b"* 0 RECENT" in lines
    assert lines[-1].startswith(b"OK [READ-WRITE]")
    assert (await client.ok("LOGOUT"))[0].startswith(b"* BYE")
    assert await client.line() == b""


async def test_wrong_password(station: Live) -> None:
    client = await station.client()
    for _ in range(4):
        lines = await client.command("LOGIN alice@a.example wrong")
        assert lines[-1].startswith(b"NO [AUTHENTICATIONFAILED]")
    plain = base64.b64encode(b"\0nobody@a.example\0x").decode()
    lines = await client.command(f"AUTHENTICATE PLAIN {plain}")
    assert lines[-1].startswith(b"NO [AUTHENTICATIONFAILED]")
    assert await client.line() == b""


async def test_plain_with_and_without_initial_response(station: Live) -> None:
    plain = base64.b64encode(f"\0alice@a.example\0{PASSWORD}".encode())
    client = await station.client()
    await client.ok(b"AUTHENTICATE PLAIN " + plain)
    client = await station.client()
    client.send(b"x AUTHENTICATE PLAIN\r\n")
    assert await client.line() == b"+ "
    client.send(plain + b"\r\n")
    assert (await client.line()).startswith(b"x OK")
    client.send(b"y AUTHENTICATE PLAIN\r\n")
    assert (await client.line()).startswith(b"y BAD")


async def test_append_fetch_search_store_expunge(station: Live) -> None:
    client = await station.alice_in("INBOX")
    answer = await client.append("INBOX", MESSAGE, "(\\Flagged) ")
    assert answer.startswith(b"OK [APPENDUID ")
    lines = await client.ok("FETCH 1 (UID FLAGS BODY.PEEK[TEXT])")
    assert lines[0] == b"* 1 FETCH (UID 1 FLAGS (\\Flagged) BODY[TEXT] {6}"
    assert (await client.ok("UID SEARCH SUBJECT hello"))[0] == b"* SEARCH 1"
    assert (await client.ok("SEARCH SUBJECT other"))[0] == b"* SEARCH"
    lines = await client.ok("STORE 1 +FLAGS (\\Deleted $mine)")
    assert lines[0] == b"* 1 FETCH (FLAGS ($mine \\Deleted \\Flagged))"
    lines = await client.ok("STORE 1 -FLAGS.SILENT \\Flagged")
    assert len(lines) == 1
    assert (await client.ok("EXPUNGE"))[0] == b"* 1 EXPUNGE"
    assert (await client.ok("STATUS INBOX (MESSAGES UIDNEXT)"))[0] == (
        b"* STATUS INBOX (MESSAGES 0 UIDNEXT 2)"
    )


async def test_append_refusals(station: Live) -> None:
    client = await station.alice_in()
    assert (await client.append("Library", MESSAGE)).startswith(b"NO [CANNOT]")
    answer = await client.append("Share/bob@b.example", MESSAGE)
    assert answer.startswith(b"NO [CANNOT]")
    assert (await client.append("Nowhere", MESSAGE)).startswith(b"NO [TRYCREATE]")
    client.send(b"x APPEND INBOX {99999999999}\r\n")
    assert (await client.line()).startswith(b"x NO [TOOBIG]")
    client.send(b"x APPEND Nowhere {7+}\r\ny NOOP\n\r\nz NOOP\r\n")
    assert (await client.line()).startswith(b"x NO [TRYCREATE]")
    assert (await client.line()).startswith(b"z OK")


async def test_copy_and_move(station: Live) -> None:
    client = await station.alice_in("INBOX")
    await client.append("INBOX", MESSAGE)
    await client.append("INBOX", MESSAGE)
    trash = await station.mailbox("Trash")
    lines = await client.ok("UID COPY 1:2 Trash")
    assert lines[-1].startswith(b"OK [COPYUID %d 1:2 1:2]" % trash.uid_validity)
    lines = await client.ok("MOVE 1 Trash")
    assert lines[0].startswith(b"* OK [COPYUID %d 1 3]" % trash.uid_validity)
    assert lines[1] == b"* 1 EXPUNGE"
    lines = await client.command("COPY 1 Nowhere")
    assert lines[-1].startswith(b"NO [TRYCREATE]")
    lines = await client.command("COPY 1 Items")
    assert lines[-1].startswith(b"NO [CANNOT]")
    lines = await client.command("COPY 7 Trash")
    assert lines[-1].startswith(b"BAD")
    lines = await client.command("COPY 1 Share/nobody")
    assert lines[-1].startswith(b"NO [CANNOT]")
    lines = await client.command("COPY 1 Share/bob@b.example")
    assert lines[-1].startswith(b"NO [CANNOT]")


async def test_idle_pushes_what_another_session_does(station: Live) -> None:
    watcher = await station.alice_in("INBOX")
    watcher.send(b"i IDLE\r\n")
    assert (await watcher.line()).startswith(b"+")
    worker = await station.alice_in("INBOX")
    await worker.append("INBOX", MESSAGE)
    assert await watcher.line() == b"* 1 EXISTS"
    await worker.ok("STORE 1 +FLAGS (\\Deleted)")
    assert await watcher.line() == b"* 1 FETCH (UID 1 FLAGS (\\Deleted))"
    await worker.ok("EXPUNGE")
    assert await watcher.line() == b"* 1 EXPUNGE"
    watcher.send(b"DONE\r\n")
    assert (await watcher.line()).startswith(b"i OK")


async def test_numbers_hold_until_expunge_may_be_told(station: Live) -> None:
    one = await station.alice_in("INBOX")
    await one.append("INBOX", MESSAGE)
    await one.append("INBOX", MESSAGE)
    two = await station.alice_in("INBOX")
    await one.ok("STORE 1 +FLAGS (\\Deleted)")
    await one.ok("EXPUNGE")
    lines = await two.ok("FETCH 2 UID")
    assert lines[:-1] == [b"* 2 FETCH (UID 2)"]
    lines = await two.ok("NOOP")
    assert lines[:-1] == [b"* 1 EXPUNGE"]
    assert (await two.ok("FETCH 1 UID"))[0] == b"* 1 FETCH (UID 2)"


async def test_flags_of_a_message_that_is_gone(station: Live) -> None:
    one = await station.alice_in("INBOX")
    await one.append("INBOX", MESSAGE)
    await one.append("INBOX", MESSAGE)
    two, three = [await station.alice_in("INBOX") for _ in range(2)]
    await one.ok("STORE 1 +FLAGS (\\Deleted)")
    await one.ok("EXPUNGE")
    for _ in range(2):  # told of or not, it keeps its number while STORE runs
        lines = await two.command("STORE 1:2 +FLAGS (mine)")
        assert lines[0] == b"* 2 FETCH (FLAGS (mine))"
        assert lines[1].startswith(b"NO [EXPUNGEISSUED]")
        assert len(lines) == 2
    (line,) = await two.command("STORE 1 +FLAGS.SILENT (mine)")
    assert line.startswith(b"OK [EXPUNGEISSUED]")
    (line,) = await two.command("STORE 1:2 (UNCHANGEDSINCE 1) +FLAGS (yours)")
    assert line.startswith(b"NO [MODIFIED 2]")
    lines = await three.ok("UID STORE 1:2 FLAGS (other)")
    assert lines[:2] == [b"* 2 FETCH (UID 2 FLAGS (other))", b"* 1 EXPUNGE"]


async def test_metadata(station: Live) -> None:
    client = await station.alice_in()
    await client.ok('SETMETADATA INBOX (/private/comment "mine")')
    lines = await client.ok("GETMETADATA INBOX /private/comment")
    assert lines[0] == b'* METADATA INBOX (/private/comment "mine")'
    lines = await client.ok("GETMETADATA (DEPTH 1) INBOX /private")
    assert lines[0] == b'* METADATA INBOX (/private/comment "mine")'
    lines = await client.ok("GETMETADATA (MAXSIZE 2) INBOX /private/comment")
    assert lines == [b"OK [METADATA LONGENTRIES 4] that is all"]
    await client.ok("SETMETADATA INBOX (/private/comment NIL)")
    assert len(await client.ok("GETMETADATA INBOX /private/comment")) == 1
    lines = await client.command(
        'SETMETADATA Transfers (/private/vendor/maild/transfer/x "y")'
    )
    assert lines[-1].startswith(b"NO [CANNOT]")


async def test_mailboxes_are_made_and_named(station: Live) -> None:
    client = await station.alice_in()
    await client.ok('CREATE "Entw&APw-rfe/Neu"')
    lines = await client.ok('LIST "" Entw*')
    assert lines[0] == b'* LIST (\\HasChildren) "/" Entw&APw-rfe'
    assert (await client.command("DELETE Entw&APw-rfe"))[-1].startswith(
        b"NO [HASCHILDREN]"
    )
    await client.ok("RENAME Entw&APw-rfe Work")
    await client.ok("DELETE Work/Neu")
    for text in ("DELETE Items", "RENAME Items Other", "CREATE Share/nobody"):
        assert (await client.command(text))[-1].startswith(b"NO [CANNOT]")
    assert (await client.command("CREATE INBOX"))[-1].startswith(b"NO [ALREADYEXISTS]")
    await client.ok("CREATE Share/bob@b.example")
    await client.ok("UNSUBSCRIBE Work")
    assert (await client.ok('LIST (SUBSCRIBED) "" Work'))[:-1] == []
    lines = await client.ok('LIST "" Trash RETURN (STATUS (MESSAGES) SPECIAL-USE)')
    assert lines[1] == b"* STATUS Trash (MESSAGES 0)"


async def test_rev2_speaks_utf8_and_esearch(station: Live) -> None:
    client = await station.alice_in()
    assert (await client.ok("ENABLE IMAP4rev2"))[0] == b"* ENABLED IMAP4rev2"
    await client.ok('CREATE "Entwürfe"')
    lines = await client.ok('LIST "" Entw*')
    assert lines[0] == '* LIST (\\HasNoChildren) "/" "Entwürfe"'.encode()
    lines = await client.ok("SELECT INBOX")
    assert not any(line.endswith(b"RECENT") for line in lines)
    await client.append("INBOX", MESSAGE)
    lines = await client.ok("UID SEARCH ALL")
    assert lines[0] == b'* ESEARCH (TAG "t7") UID ALL 1'
    await client.ok("SEARCH RETURN (SAVE) ALL")
    assert (await client.ok("FETCH $ UID"))[0] == b"* 1 FETCH (UID 1)"


async def test_examined_mailboxes_stay_as_they_are(station: Live) -> None:
    client = await station.alice_in()
    await client.append("INBOX", MESSAGE)
    assert (await client.ok("EXAMINE INBOX"))[-1].startswith(b"OK [READ-ONLY]")
    for text in ("STORE 1 +FLAGS (\\Seen)", "EXPUNGE", "MOVE 1 Trash"):
        assert (await client.command(text))[-1].startswith(b"NO [READ-ONLY]")
    await client.ok("FETCH 1 BODY[]")
    assert (await station.lines("INBOX"))[0].flags == ()


async def test_condstore(station: Live) -> None:
    client = await station.alice_in()
    await client.append("INBOX", MESSAGE)
    await client.append("INBOX", MESSAGE)
    lines = await client.ok("SELECT INBOX (CONDSTORE)")
    assert any(b"HIGHESTMODSEQ" in line for line in lines)
    first = (await station.lines("INBOX"))[0].mod_seq
    await client.ok("STORE 1 +FLAGS (\\Seen)")
    lines = await client.ok(f"STORE 1:2 (UNCHANGEDSINCE {first + 1}) +FLAGS (x)")
    assert lines[-1].startswith(b"OK [MODIFIED 1]")
    lines = await client.ok(f"FETCH 1:* (FLAGS) (CHANGEDSINCE {first + 1})")
    assert len(lines) == 2 + 1


async def test_an_unforeseen_error_costs_its_command_only(
    station: Live, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("secret detail")

    client = await station.alice_in()
    monkeypatch.setattr("maild.store.mailboxes.counts", broken)
    lines = await client.command("STATUS INBOX (MESSAGES)")
    assert lines[-1].startswith(b"NO [SERVERBUG]")
    assert b"secret" not in b"".join(lines)
    assert "secret detail" in caplog.text
    await client.ok("NOOP")


async def test_connections_of_one_client_are_counted(tmp_path: Path) -> None:
    async with live(tmp_path, connections_per_client=1) as station:
        client = await station.client()
        clear_reader, clear_writer = await asyncio.open_connection(
            "127.0.0.1", station.clear_port
        )
        assert (await clear_reader.readline()).startswith(b"* BYE [LIMIT]")
        clear_writer.close()
        await client.ok("NOOP")
        await client.close()


async def test_the_station_says_goodbye(tmp_path: Path) -> None:
    async with live(tmp_path) as station:
        client = await station.alice_in()
    assert (await client.line()).startswith(b"* BYE [UNAVAILABLE]")


async def test_imaplib(station: Live) -> None:
    def talk() -> None:
        client = imaplib.IMAP4_SSL("127.0.0.1", station.port, ssl_context=station.tls)
        client.login("alice@a.example", PASSWORD)
        assert client.list()[0] == "OK"
        assert client.select("INBOX") == ("OK", [b"0"])
        assert client.append("INBOX", "", "", MESSAGE)[0] == "OK"
        assert client.noop()[0] == "OK"
        assert client.uid("SEARCH", "ALL") == ("OK", [b"1"])
        kind, found = client.uid("FETCH", "1", "(BODY.PEEK[])")
        assert kind == "OK"
        assert isinstance(found[0], tuple)
        assert found[0][1] == MESSAGE
        assert client.uid("COPY", "1", "Trash")[0] == "OK"
        assert client.uid("STORE", "1", "+FLAGS", "(\\Deleted)")[0] == "OK"
        assert client.expunge() == ("OK", [b"1"])
        assert client.logout()[0] == "BYE"

    await asyncio.to_thread(talk)


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"])
async def test_scram(station: Live, mechanism: str) -> None:
    client = await station.client()
    binding = None
    if mechanism.endswith("PLUS"):
        tls = client.writer.get_extra_info("ssl_object")
        digest = hashlib.sha256(tls.getpeercert(binary_form=True)).digest()
        binding = ("tls-server-end-point", digest)
    scram = ScramClient(
        [mechanism], "alice@a.example", PASSWORD, channel_binding=binding
    )

    async def challenge() -> str:
        return base64.b64decode((await client.line()).removeprefix(b"+ ")).decode()

    def respond(text: str) -> None:
        client.send(base64.b64encode(text.encode()) + b"\r\n")

    client.send(f"a AUTHENTICATE {mechanism} ".encode())
    respond(scram.get_client_first())
    scram.set_server_first(await challenge())
    respond(scram.get_client_final())
    scram.set_server_final(await challenge())
    client.send(b"\r\n")
    assert (await client.line()).startswith(b"a OK [CAPABILITY")


async def test_scram_given_up_or_wrong(station: Live) -> None:
    client = await station.client()
    client.send(b"a AUTHENTICATE SCRAM-SHA-256\r\n")
    assert await client.line() == b"+ "
    client.send(b"*\r\n")
    assert (await client.line()).startswith(b"a BAD")
    client.send(b"b AUTHENTICATE SCRAM-SHA-256 !!\r\n")
    assert (await client.line()).startswith(b"b BAD")
    client.send(b"c AUTHENTICATE CRAM-MD5\r\n")
    assert (await client.line()).startswith(b"c NO [CANNOT]")
    scram = ScramClient(["SCRAM-SHA-256"], "alice@a.example", "wrong")
    first = base64.b64encode(scram.get_client_first().encode())
    client.send(b"d AUTHENTICATE SCRAM-SHA-256 " + first + b"\r\n")
    line = (await client.line()).removeprefix(b"+ ")
    scram.set_server_first(base64.b64decode(line).decode())
    client.send(base64.b64encode(scram.get_client_final().encode()) + b"\r\n")
    assert (await client.line()).startswith(b"d NO [AUTHENTICATIONFAILED]")


async def test_a_large_message_is_streamed_both_ways(station: Live) -> None:
    client = await station.alice_in("INBOX")
    content = base64.encodebytes(bytes(range(256)) * 12_000).replace(b"\n", b"\r\n")
    message = (
        b"Subject: big\r\nMIME-Version: 1.0\r\n"
        b"Content-Type: application/octet-stream\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\n" + content
    )
    assert (await client.append("INBOX", message)).startswith(b"OK [APPENDUID")
    client.send(b"f UID FETCH 1 BODY.PEEK[]\r\n")
    while not (line := await client.line()).startswith(b"* 1 FETCH"):
        assert line == b"* 1 EXISTS"
    assert line.endswith(b"{%d}" % len(message))
    assert await client.reader.readexactly(len(message)) == message
    assert await client.line() == b")"
    assert (await client.line()).startswith(b"f OK")


async def test_a_bomb_in_append_is_read_to_its_end(station: Live) -> None:
    client = await station.alice_in("INBOX")
    message = b"X: y\r\n" * 200_000 + b"\r\nz LOGOUT\r\n"
    answer = await client.append("INBOX", message)
    assert answer.startswith(b"NO ")
    await client.ok("NOOP")


def test_every_command_that_is_allowed_is_carried_out() -> None:
    assert ALLOWED.keys() == VERBS.keys()
