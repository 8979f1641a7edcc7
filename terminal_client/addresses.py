# SPDX-License-Identifier: GPL-3.0-only
"""Addresses as people type them, checked at the edge by email-validator."""

from __future__ import annotations

from maild.mail.address import Address, AddressError, parse_address
from terminal_client.errors import UsageError


def recipient(text: str) -> Address:
    """Return the address; raise `UsageError` with a reason a person can act on."""
    # Its tables take longer to load than all of ours; few commands need them.
    from email_validator import EmailNotValidError, validate_email

    try:
        found = validate_email(
            text.strip(),
            check_deliverability=False,  # the server resolves; names may be private
            globally_deliverable=False,  # as may be .test, .local and .internal
            allow_domain_literal=True,  # the server says no, with its reason
        )
        return parse_address(found.normalized)
    except (EmailNotValidError, AddressError) as error:
        reason = str(error).split("\n")[0].rstrip(".")
        raise UsageError(f"{text!r} is not a mail address: {reason}") from error
