# SPDX-License-Identifier: Apache-2.0
"""``maild fsck`` and ``maild gc``: the store compared with itself, and swept."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from maild.operator.console import (
    ConfigOption,
    JsonOption,
    OperatorError,
    configuration,
    opened,
    show_json,
)


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
        findings = [str(f) for f in records.store.blobs.check(repair=repair)]
    if as_json:
        show_json(findings)
    else:
        print("\n".join(findings) or "the store is sound")
    if findings and not repair:
        raise OperatorError(f"{len(findings)} findings", os.EX_DATAERR)


def gc(context: typer.Context, config: ConfigOption = None) -> None:
    """Remove blobs that no message needs, and what broken uploads left behind."""
    with opened(configuration(context, config).server) as records:
        removed = records.store.blobs.collect(records.store.clock())
    print(f"removed: {removed}")
