# SPDX-License-Identifier: Apache-2.0
"""What an operator can set about metrics and health: table [http]."""

from __future__ import annotations

from dataclasses import dataclass

from maild.options import each_host_port, option


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """[http]  Prometheus metrics at /metrics, health at /health."""

    listen: tuple[str, ...] = option(
        ("127.0.0.1:9525",), "Addresses, host:port; none: off.", check=each_host_port
    )
