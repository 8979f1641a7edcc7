# SPDX-License-Identifier: Apache-2.0
"""The cloud server: what it says that it can do is what docs/protocol.md says."""

from __future__ import annotations

import imaplib
import json
import re
import smtplib
from pathlib import Path

from tests.flows.plain import mailbox, submission
from tests.flows.programs import Programs, playground

DOCUMENT = Path(__file__).parents[2] / "docs/protocol.md"


def documented() -> dict[str, set[str]]:
    """Return the table of the document: where, and the keywords."""
    text = DOCUMENT.read_text().partition("## What a server says that it can do")[2]
    rows = re.findall(r"(?m)^\| ([^|]+?) \| (`.*`) \|$", text.partition("\n## ")[0])
    return {where: set(re.findall(r"`([^`]+)`", names)) for where, names in rows}


def offered(smtp: smtplib.SMTP) -> set[str]:
    """Return the keywords of EHLO; mechanisms one by one, other parameters left out."""
    code, text = smtp.ehlo()
    assert code == 250
    found = set()
    for line in text.decode().splitlines()[1:]:
        keyword, *words = line.split()
        found |= {f"AUTH {word}" for word in words} if keyword == "AUTH" else {keyword}
    return found


def capable(imap: imaplib.IMAP4) -> set[str]:
    """Return what CAPABILITY says; the value of APPENDLIMIT is the operator's."""
    imap.capability()
    words = imap.capability()[1][0].decode().split()
    return {re.sub(r"^APPENDLIMIT=\d+$", "APPENDLIMIT=n", word) for word in words}


def test_ehlo_and_capability_match_the_docs(programs: Programs) -> None:
    rows = documented()
    found: dict[str, set[str]] = {}
    with smtplib.SMTP("localhost", programs.port("b", "smtp")) as smtp:
        found["EHLO, in clear"] = offered(smtp)
        smtp.starttls(context=programs.tls)
        found["EHLO, inside TLS"] = offered(smtp)
    with smtplib.SMTP_SSL(
        "localhost", programs.port("a", "submission"), context=programs.tls
    ) as smtp:
        found["EHLO, submission"] = offered(smtp)
    with submission(programs, "alice") as smtp:
        found["EHLO, logged in"] = offered(smtp)
    with imaplib.IMAP4_SSL(
        "localhost", programs.port("a", "imap"), ssl_context=programs.tls
    ) as imap:
        found["CAPABILITY"] = capable(imap)
    with mailbox(programs, "alice") as imap:
        found["CAPABILITY, logged in"] = capable(imap)
    assert found == {where: rows[where] for where in found}
    assert rows.keys() - found.keys() == {"EHLO, rendezvous"}


def test_the_configuration_is_checked(programs: Programs) -> None:
    for server in programs.servers:
        programs.maild(server, "check-config")


def test_a_rendezvous_says_more(tmp_path: Path) -> None:
    rows = documented()
    with (
        playground(tmp_path / "playground", servers=("r",)) as programs,
        smtplib.SMTP("localhost", programs.port("r", "smtp")) as smtp,
    ):
        more = offered(smtp) - rows["EHLO, in clear"]
        assert more == rows["EHLO, rendezvous"]
        programs.maild("r", "check-config")
        assert json.loads(programs.maild("r", "queue", "ls", "--json").out) == []
