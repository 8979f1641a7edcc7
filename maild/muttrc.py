# SPDX-License-Identifier: Apache-2.0
"""What ``mutt -F`` needs to be somebody of a playground."""

from __future__ import annotations

from pathlib import Path

from maild.mail.address import Address


def muttrc(
    address: Address, password: str, ca: Path, imap: str, submission: str
) -> str:
    """Return the file; ``imap`` and ``submission`` are HOST:PORT."""
    return f"""\
set ssl_ca_certificates_file = "{ca}"
set ssl_force_tls = yes
set imap_user = "{address}"
set imap_pass = "{password}"
set folder = "imaps://{imap}/"
set spoolfile = "+INBOX"
set record = "+Sent"
set postponed = "+Drafts"
set trash = "+Trash"
set imap_list_subscribed = yes
set imap_idle = yes
set smtp_url = "smtps://{address.local}%40{address.domain}@{submission}/"
set smtp_pass = "{password}"
set from = "{address}"
set use_from = yes
set use_envelope_from = yes
"""
