# SPDX-License-Identifier: Apache-2.0
"""What can go wrong in the store, typed by consequence."""

from __future__ import annotations


class StoreError(Exception):
    """Something in the store went wrong; assume nothing, try again later (451)."""


class StoreFullError(StoreError):
    """There is no room on the device; others may go on (452 4.3.1)."""


class OverQuotaError(StoreError):
    """The account may not hold that much (452 4.2.2, IMAP: ``NO [OVERQUOTA]``)."""


class NeverFitsError(OverQuotaError):
    """It is larger than all that the account may hold (552 5.2.2)."""


class StoreBrokenError(StoreError):
    """The device refused a sync: stop acknowledging; a failed sync is never retried."""


class TooNewError(StoreError):
    """A newer maild has written the index: this one cannot read it, now or later."""


class DamagedError(StoreError):
    """Stored octets no longer match their digest, or are not there at all."""


class NotFoundError(StoreError):
    """The record is not there (any more)."""


class ExistsError(StoreError):
    """Something of that name is there already (IMAP: ``NO [ALREADYEXISTS]``)."""


class ProtectedError(StoreError):
    """The house needs it as it is (IMAP: ``NO [CANNOT]``)."""


class InUseError(StoreError):
    """The octets asked for have not arrived yet (IMAP: ``NO [INUSE]``)."""


class DigestMismatchError(StoreError):
    """The content does not have the digest that its sender announced."""
