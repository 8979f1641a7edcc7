# SPDX-License-Identifier: Apache-2.0
"""What this process counts, for Prometheus; the facts of the store are asked for there.

Counted where the event is logged (`maild.delivery_log`), so that a count and its lines
agree.  Labels have few, fixed values: no address, no peer, no queue id.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest

from maild.store.census import Census

REGISTRY = CollectorRegistry()

MESSAGES = Counter(
    "maild_messages_received", "Messages we took responsibility for.", registry=REGISTRY
)
OCTETS_RECEIVED = Counter(
    "maild_received_octets", "Octets of the messages received.", registry=REGISTRY
)
OCTETS_SENT = Counter(
    "maild_sent_octets", "Octets that crossed the wire in attempts.", registry=REGISTRY
)
ATTEMPTS = Counter(
    "maild_attempts", "Delivery attempts by outcome.", ["outcome"], registry=REGISTRY
)
OFFERS = Counter(
    "maild_offers_judged",
    "Offers (answers, withdrawals) that other servers brought, by outcome.",
    ["kind", "outcome"],
    registry=REGISTRY,
)
REQUESTS = Counter(
    "maild_address_requests",
    "Requests for a number's mail address, and the responses, by outcome.",
    ["kind", "outcome"],
    registry=REGISTRY,
)
KEPT = Counter(
    "maild_kept_octets",
    "Octets of content kept for servers that stay away.",
    registry=REGISTRY,
)
LOGINS_FAILED = Counter(
    "maild_logins_failed", "Logins refused.", ["station"], registry=REGISTRY
)
TRANSFERS = Gauge(
    "maild_transfers", "Transfers in the index by state.", ["state"], registry=REGISTRY
)
GROWING = Gauge(
    "maild_blobs_growing", "Blobs that are still arriving.", registry=REGISTRY
)
STORED = Gauge(
    "maild_blobs_octets", "Octets of all blobs that are durable.", registry=REGISTRY
)
FREE = Gauge(
    "maild_free_octets", "Octets that can still be written.", registry=REGISTRY
)


def message_received(octets: int) -> None:
    """Count a message that became ours."""
    MESSAGES.inc()
    OCTETS_RECEIVED.inc(octets)


def content_kept(octets: int) -> None:
    """Count content that a rendezvous keeps for another server."""
    KEPT.inc(octets)


def attempt_ended(outcome: str, octets: int) -> None:
    """Count an attempt, by its outcome in the delivery line, and its octets sent."""
    ATTEMPTS.labels(outcome).inc()
    OCTETS_SENT.inc(octets)


def offer_judged(kind: str, outcome: str) -> None:
    """Count an offer: taken, passed on, or the cause of its refusal."""
    OFFERS.labels(kind, outcome).inc()


def address_requested(kind: str, outcome: str) -> None:
    """Count a request for a number's mail address, or the response to one."""
    REQUESTS.labels(kind, outcome).inc()


def login_refused(station: str) -> None:
    """Count wrong credentials."""
    LOGINS_FAILED.labels(station).inc()


def page(census: Census, free: int) -> bytes:
    """Return the text of /metrics; ``free`` in octets."""
    for state, number in census.transfers.items():
        TRANSFERS.labels(state).set(number)
    GROWING.set(census.growing)
    STORED.set(census.stored)
    FREE.set(free)
    return generate_latest(REGISTRY)
