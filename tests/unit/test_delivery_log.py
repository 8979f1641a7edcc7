# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import logging
import re

import pytest

from maild import delivery_log
from maild.delivery_log import Delays
from maild.mail.reply import Reply

POSTFIX = re.compile(
    r"(?P<id>[0-9A-Za-z]{6,}): to=<(?P<to>[^>]*)>, relay=(?P<relay>\S+), "
    r"delay=(?P<delay>[0-9.e+]+), delays=(?P<delays>[0-9.e+-]+(?:/[0-9.e+-]+){3}), "
    r"dsn=(?P<dsn>[245]\.\d{1,3}\.\d{1,3}), "
    r"status=(?P<status>sent|deferred|bounced|offered|prepared) \((?P<reply>.*)\)"
    r"(?P<more>(?:, \w+=[^,\s]+)*)"
)


def line(
    caplog: pytest.LogCaptureFixture, reply: Reply, outcome: str = "sent", to: str = "b"
) -> re.Match[str]:
    caplog.clear()
    with caplog.at_level(logging.INFO, "maild.delivery"):
        delivery_log.attempted(
            "4Zx1cQ0b9RzKLM",
            to=to,
            relay="mx.b.example[192.0.2.7]:25",
            delays=Delays(0.4, 0, 0.05, 12),
            reply=reply,
            outcome=outcome,
            octets=1048576,
            offset=0,
            rate=87381.3,
            tls="TLSv1.3",
            trace="0123456789abcdef",
        )
    (record,) = caplog.records
    message = record.getMessage()
    assert "\n" not in message
    found = POSTFIX.fullmatch(message)
    assert found, message
    return found


def test_a_delivery_line_is_postfix_grammar(caplog: pytest.LogCaptureFixture) -> None:
    found = line(caplog, Reply(250, "6.0", "queued as 9f86"), to="bob@b.example")
    assert found["to"] == "bob@b.example"
    assert found["relay"] == "mx.b.example[192.0.2.7]:25"
    assert found["delay"] == "12"
    assert found["delays"] == "0.4/0/0.05/12"
    assert found["dsn"] == "2.6.0"
    assert found["reply"] == "250 2.6.0 queued as 9f86"
    assert found["more"].startswith(", octets=1048576, offset=0, rate=8.74e+04")
    assert found["more"].endswith("tls=TLSv1.3, trace=0123456789abcdef, via=direct")


def test_a_reply_without_enhanced_code_gets_the_class(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert line(caplog, Reply(550, "", "no"), "bounced")["dsn"] == "5.0.0"


def test_what_a_peer_says_stays_on_one_line(caplog: pytest.LogCaptureFixture) -> None:
    evil = Reply(451, "4.2", "a\nb\r\x1b[31m\u202e" + "x" * 5000)
    found = line(caplog, evil, "deferred", to="a\r\nb@c")
    assert len(found["reply"]) < 1100
    assert found["to"] == "a??b@c"


def test_long_delays_keep_their_digits(caplog: pytest.LogCaptureFixture) -> None:
    assert str(Delays(0, 3600, 0.001, 86400.4)) == "0/3600/0/86400"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0"),
        (0.004, "0"),
        (0.05, "0.05"),
        (1.25, "1.2"),
        (12.3, "12"),
        (90061.0, "90061"),
    ],
)
def test_seconds_read_as_postfix_writes_them(seconds: float, text: str) -> None:
    assert delivery_log.seconds(seconds) == text


def test_a_notice_says_whom_it_went_to(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "maild.queue"):
        delivery_log.notified("Q1", to="alice@a.example", delayed=True, trace="t")
        delivery_log.finished("Q1", state="expired", reason="a\nb", trace="t")
    assert [r.getMessage() for r in caplog.records] == [
        "Q1: sender delay notification: to=<alice@a.example>, trace=t",
        "Q1: expired (a?b), trace=t",
    ]
