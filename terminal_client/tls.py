# SPDX-License-Identifier: GPL-3.0-only
"""What a terminal demands of a server's certificate."""

from __future__ import annotations

import ssl

from terminal_client.errors import SetUpError
from terminal_client.profile import Profile


def client_context(profile: Profile) -> ssl.SSLContext:
    """Return a context that verifies name and chain; TLS 1.2 at least (RFC 9325).

    With ``profile.ca`` only that authority is trusted, else those of the system.
    """
    try:
        context = ssl.create_default_context(
            cafile=str(profile.ca) if profile.ca else None
        )
    except (OSError, ssl.SSLError) as error:
        raise SetUpError(
            f"the authority's certificate {profile.ca} cannot be read: {error}"
        ) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
