# SPDX-License-Identifier: Apache-2.0
"""``maild fsck`` and ``maild gc``: the store compared with itself, and swept."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from maild.complaint import OperatorError
from maild.operator.console import (
    ConfigOption,
    JsonOption,
    configuration,
    opened,
    show_json,
)
from maild.store import parting
from maild.store.fsck import Finding


def fsck(
    context: typer.Context,
    repair: Annotated[
        bool, typer.Option("--repair", help="Mend what can be mended.")
    ] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Compare index and files, digests included."""
    with opened(configuration(context, config).server) as records:
        findings: list[Finding] = []
        for finding in records.store.blobs.check(repair=repair):
            findings.append(finding)
            if not as_json:  # one by one: it may take hours
                print(finding, flush=True)
    if as_json:
        show_json([asdict(finding) for finding in findings])
    elif not findings:
        print("the store is sound")
    wrong = sum(not finding.repaired for finding in findings)
    if wrong:
        raise OperatorError(f"{wrong} of {len(findings)} findings remain")


def gc(context: typer.Context, config: ConfigOption = None) -> None:
    """Remove what no message needs any more.

    That is blobs without a message, and what broken uploads left behind.
    """
    settings = configuration(context, config)
    with opened(settings.server) as records:
        now, hostname = records.store.clock(), settings.server.hostname
        ended = parting.sweep(
            records.store.index, settings.queue.lifetime, hostname, now
        )
        found = records.store.blobs.collect(now)
    for one in ended:
        print(f"{one.id}: gave up {one.parting.name}, told {one.to}")
    print(f"removed {found.blobs} blobs, {found.files} files, {found.octets:,} octets")
