# SPDX-License-Identifier: Apache-2.0
"""Jobs on exchanges: at a rendezvous, whose homes have been told to each other."""

from __future__ import annotations

from maild.mail.address import Address
from maild.store.index import Tx


def known(tx: Tx, sender: Address, recipient: Address) -> bool:
    """Whether these two homes have been told to each other, whoever asked."""
    first, second = sorted((sender.key, recipient.key))
    found = tx.value(
        "SELECT 1 FROM exchange WHERE first_home = ?1 AND second_home = ?2",
        first,
        second,
    )
    return found is not None
