# SPDX-License-Identifier: Apache-2.0
"""Every line an operator greps for: one function per event, Postfix grammar.

Checked against pflogsumm (``--syslog-name=maild``).  One line per event whatever a peer
sent: what is not printable becomes ``?``.  New fields only at the end.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from maild import metrics
from maild.mail.reply import Reply

_smtpd = logging.getLogger("maild.smtpd")
_submission = logging.getLogger("maild.submission")
_queue = logging.getLogger("maild.queue")
_delivery = logging.getLogger("maild.delivery")
_imapd = logging.getLogger("maild.imapd")
_rendezvous = logging.getLogger("maild.rendezvous")

LONGEST = 1000
"""Characters of one foreign text in a line."""


def clean(text: str) -> str:
    """Return ``text`` fit for one log line (CWE-117)."""
    if len(text) <= LONGEST and text.isprintable():
        return text
    shown = "".join(c if c.isprintable() else "?" for c in text[:LONGEST])
    return shown + "..." if len(text) > LONGEST else shown


@dataclass(frozen=True, slots=True)
class Delays:
    """Seconds: before the queue, in the queue, connecting, transferring (Postfix)."""

    before: float
    queued: float
    connecting: float
    transferring: float

    @property
    def total(self) -> float:
        """All of them."""
        return self.before + self.queued + self.connecting + self.transferring

    def __str__(self) -> str:
        parts = (self.before, self.queued, self.connecting, self.transferring)
        return "/".join(map(seconds, parts))


def seconds(value: float) -> str:
    """Return seconds as Postfix writes them: two digits, more only before the point."""
    if value < 0.01:
        return "0"
    return f"{value:.2g}" if value < 10 else f"{value:.0f}"


def connected(station: str, client: str) -> None:
    """Log a connection; ``client`` is ``name[ip]``."""
    logging.getLogger(f"maild.{station}").info("connect from %s", client)


def disconnected(station: str, client: str) -> None:
    """Log its end."""
    logging.getLogger(f"maild.{station}").info("disconnect from %s", client)


def logged_in(station: str, client: str, mechanism: str, user: str) -> None:
    """Somebody has proven who they are; as Postfix says it of a submission."""
    logging.getLogger(f"maild.{station}").info(
        "client=%s, sasl_method=%s, sasl_username=%s",
        client,
        clean(mechanism),
        clean(user),
    )


def login_failed(station: str, client: str, mechanism: str, user: str) -> None:
    """Log wrong credentials; the line fail2ban looks for."""
    logging.getLogger(f"maild.{station}").warning(
        "%s: SASL %s authentication failed: sasl_username=%s",
        client,
        clean(mechanism),
        clean(user),
    )
    metrics.login_refused(station)


def taken_in(
    queue_id: str,
    *,
    client: str,
    sender: str,
    size: int,
    octets: int,
    nrcpt: int,
    trace: str,
) -> None:
    """Log that a message is ours now: ``client=`` and ``from=`` lines (Postfix).

    ``octets`` of its ``size`` came with it; the rest was here before.
    """
    _smtpd.info("%s: client=%s", queue_id, client)
    _queue.info(
        "%s: from=<%s>, size=%d, nrcpt=%d (queue active), trace=%s",
        queue_id,
        clean(sender),
        size,
        nrcpt,
        trace,
    )
    metrics.message_received(octets)


def refused(
    station: str, client: str, verb: str, reply: Reply, *, sender: str, to: str
) -> None:
    """Log a command that was answered with an error: ``NOQUEUE: reject:`` (Postfix)."""
    logging.getLogger(f"maild.{station}").info(
        "NOQUEUE: reject: %s from %s: %s; from=<%s> to=<%s>",
        clean(verb),
        client,
        clean(str(reply)),
        clean(sender),
        clean(to),
    )


def judged(
    queue_id: str, *, what: str, outcome: str, sender: str, to: str, trace: str
) -> None:
    """Log what the monitor says: taken, passed, or the cause of a refusal.

    ``what``: offer, answer, withdrawal; unknown when it cannot be read.
    """
    _smtpd.info(
        "%s: monitor: %s %s, from=<%s>, to=<%s>, trace=%s",
        queue_id,
        what,
        outcome,
        clean(sender),
        clean(to),
        trace,
    )
    metrics.offer_judged(what, outcome)


def attempted(
    queue_id: str,
    *,
    to: str,
    relay: str,
    delays: Delays,
    reply: Reply,
    outcome: str,
    octets: int,
    offset: int,
    rate: float,
    tls: str,
    trace: str,
    via: str = "direct",
) -> None:
    """Log the outcome of one attempt.

    ``outcome``: sent, deferred, bounced, offered, prepared.  ``octets`` crossed the
    wire in this attempt from ``offset``; ``rate`` in octets a second; ``tls`` the
    version or "none".  ``via``: "direct", the rendezvous that joined the two servers,
    or both in turn.
    """
    _delivery.info(
        "%s: to=<%s>, relay=%s, delay=%s, delays=%s, dsn=%s, status=%s (%s), "
        "octets=%d, offset=%d, rate=%.3g, tls=%s, trace=%s, via=%s",
        queue_id,
        clean(to),
        clean(relay) or "none",
        seconds(delays.total),
        delays,
        reply.status or f"{reply.code // 100}.0.0",
        outcome,
        clean(str(reply)),
        octets,
        offset,
        rate,
        tls,
        trace,
        clean(via),
    )
    metrics.attempt_ended(outcome, octets)


def finished(queue_id: str, *, state: str, reason: str, trace: str) -> None:
    """Log the end of a transfer that had no (further) attempt."""
    _queue.info("%s: %s (%s), trace=%s", queue_id, state, clean(reason), trace)


def parted(
    queue_id: str, *, to: str, why: str, octets: int, size: int | None, trace: str
) -> None:
    """Log that what was to arrive will not; ``octets`` of it were here."""
    _queue.info(
        "%s: given up (%s): to=<%s>, octets=%d, size=%s, trace=%s",
        queue_id,
        why,
        clean(to),
        octets,
        "unknown" if size is None else size,
        trace,
    )


def address_asked(
    request_id: str, *, sender: str, to: str, outcome: str, message_id: str, trace: str
) -> None:
    """Log what became of an address request that a number has submitted."""
    _rendezvous.info(
        "%s: address request: from=<%s>, to=<%s>, status=%s, message=%s, trace=%s",
        clean(request_id),
        clean(sender),
        clean(to),
        outcome,
        message_id,
        clean(trace),
    )
    metrics.address_requested("request", outcome)


def address_answered(
    request_id: str, *, sender: str, to: str, accepted: bool, trace: str
) -> None:
    """Log that a number has told its mail address, or not."""
    outcome = "accepted" if accepted else "declined"
    _rendezvous.info(
        "%s: address response: from=<%s>, to=<%s>, status=%s, trace=%s",
        clean(request_id),
        clean(to),
        clean(sender),
        outcome,
        clean(trace),
    )
    metrics.address_requested("response", outcome)


def notified(queue_id: str, *, to: str, delayed: bool, trace: str) -> None:
    """Log that the sender has been told; as Postfix's bounce daemon says it."""
    _queue.info(
        "%s: sender %s notification: to=<%s>, trace=%s",
        queue_id,
        "delay" if delayed else "non-delivery",
        clean(to),
        trace,
    )


def spliced(
    offer_id: str,
    *,
    clients: tuple[str, str],
    octets: int,
    seconds: float,
    why: str,
    trace: str,
) -> None:
    """Log that two servers were joined, and are not any more."""
    _smtpd.info(
        "%s: joined %s and %s: octets=%d, seconds=%.3g, end=%s, trace=%s",
        clean(offer_id),
        *clients,
        octets,
        seconds,
        why,
        clean(trace),
    )


def kept(queue_id: str, *, offer_id: str, to: str, octets: int, trace: str) -> None:
    """Log that content is kept here until its recipient's server takes it."""
    _rendezvous.info(
        "%s: kept: to=<%s>, octets=%d, offer=%s, trace=%s",
        queue_id,
        clean(to),
        octets,
        clean(offer_id),
        clean(trace),
    )
    metrics.content_kept(octets)


def turned(offer_id: str, *, at: str, trace: str) -> None:
    """Log that a call of ours was answered: the other side speaks as a client now."""
    _delivery.info(
        "%s: call to %s answered, roles turned, trace=%s",
        clean(offer_id),
        at,
        clean(trace),
    )


def called_in_vain(name: str, *, at: str, why: str, trace: str) -> None:
    """Log that a call of ours found nobody; the next one follows."""
    _delivery.info(
        "%s: call to %s in vain (%s), trace=%s",
        clean(name),
        at,
        clean(why),
        clean(trace),
    )


def removed(queue_id: str) -> None:
    """Log that a transfer has left the queue."""
    _queue.info("%s: removed", queue_id)
