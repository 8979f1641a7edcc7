# SPDX-License-Identifier: GPL-3.0-only
"""The second login of a profile: its number at a rendezvous, kept beside the first one.

It is a profile of its own, in the directory ``number`` of the first: the same files,
the same care for the password.
"""

from __future__ import annotations

from maild.mail import number
from maild.mail.address import Address
from terminal_client import addresses, profile
from terminal_client.errors import SetUpError, UsageError
from terminal_client.profile import Profile

DIRECTORY = "number"
RENDEZVOUS = "/private/vendor/maild/rendezvous"
"""Annotation of an account at home: the number of whoever has it."""
NONE = (
    "no number is logged in here; log in first with "
    "`mshare number login +14155550101@rcs.example`"
)


def load(who: Profile) -> Profile | None:
    """Return the number of a profile, or None; `SetUpError` if it cannot be read."""
    directory = who.directory / DIRECTORY
    if not (directory / "profile.toml").exists():
        return None
    return profile.load(str(directory))


def must_load(who: Profile) -> Profile:
    """Return the number of a profile; `SetUpError` says how to get one."""
    found = load(who)
    if found is None:
        raise SetUpError(NONE)
    return found


def of_rendezvous(text: str) -> Address:
    """Return a number with its rendezvous, ``+1 415 555 0101@rcs.example``."""
    typed, at, domain = text.rpartition("@")
    if not at:
        raise UsageError(
            f"{text!r} says no rendezvous; write it as +14155550101@rcs.example"
        )
    return Address(normal(typed), addresses.recipient(f"number@{domain}").domain)


def meant(text: str, own: Profile | None) -> Address | None:
    """Return the number that somebody means by ``text``; None for a mail address.

    Without a domain it is one of our own rendezvous.
    """
    if number.looks_like_number(text.strip()):
        if own is None:
            raise SetUpError(f"{text} is a number, but {NONE}")
        return Address(normal(text), own.address.domain)
    typed, _, domain = text.strip().rpartition("@")
    if own is None and number.is_number(typed):  # takes no mail, as 5.3.3 would say
        raise SetUpError(f"{text} is a number, but {NONE}")
    if own is None or domain.lower() != own.address.domain:
        return None
    return Address(normal(typed), own.address.domain)


def normal(text: str) -> str:
    """Return a number in its canonical form; raise `UsageError`."""
    try:
        return number.normal(text)
    except number.NumberError as error:
        raise UsageError(f"{text!r} cannot be called: {error}") from error
