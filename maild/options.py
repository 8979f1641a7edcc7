# SPDX-License-Identifier: Apache-2.0
"""How a station declares one configuration key: default, description, check.

Each station has its own frozen dataclass of options (``settings.py``), so that it never
sees the rest; `maild.config` reads them from the file and writes conf/maild.toml.
"""

from __future__ import annotations

from dataclasses import field
from typing import TypeVar

T = TypeVar("T")


def option(default: T, doc: str) -> T:
    """Declare a dataclass field that has a default and a description."""
    value: T = field(default=default, metadata={"doc": doc})
    return value
