# SPDX-License-Identifier: Apache-2.0
"""``maild account ...``: who has a mailbox here, and what they accept unasked."""

from __future__ import annotations

import os
import secrets
import sys
from enum import StrEnum
from typing import Annotated, Any, Final

import typer
from email_validator import EmailNotValidError, validate_email

from maild.complaint import OperatorError
from maild.config import Configuration
from maild.login import make_keys
from maild.mail import number
from maild.mail.address import Address, AddressError, parse_address
from maild.mail.plain import amount
from maild.operator import sizes
from maild.operator.console import (
    ConfigOption,
    JsonOption,
    Records,
    configuration,
    keep_config,
    opened,
    show,
    show_one,
)
from maild.store import accounts, address_requests, transfers
from maild.store import quota as store_quota
from maild.store.accounts import Account, ScramKeys
from maild.store.index import Tx
from maild.store.quota import Use

app = typer.Typer(
    help="Accounts: mailboxes that live here.",
    callback=keep_config,
    no_args_is_help=True,
    rich_markup_mode=None,
)

AddressArgument = Annotated[str, typer.Argument(metavar="ADDRESS")]
PasswordOption = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from stdin.")
]
GenerateOption = Annotated[
    bool, typer.Option("--generate", help="Make a password and print it, once.")
]

_SALT: Final = 16
"""Octets (RFC 5802 §3 asks for none; 128 bits never repeat)."""
_SHORTEST: Final = 8
"""Characters of a password (NIST SP 800-63B §5.1.1.1)."""


class Policy(StrEnum):
    """From whom content is accepted without asking."""

    ASK = "ask"
    CONTACTS = "contacts"
    ANYONE = "anyone"


@app.command()
def add(
    context: typer.Context,
    address: AddressArgument,
    password_stdin: PasswordOption = False,
    generate: GenerateOption = False,
    config: ConfigOption = None,
) -> None:
    """Add an account; asks for its password, or makes one when nobody can be asked."""
    settings = configuration(context, config)
    wanted = own_address(settings, address)
    with opened(settings.server, create=True) as records:
        if records.read(accounts.find, wanted) is not None:
            raise OperatorError(f"{wanted} is there already", os.EX_CANTCREAT)
        password, shown = _password(password_stdin, generate)
        records.write(
            accounts.create,
            wanted,
            fresh_keys(password),
            records.store.clock(),
            is_number=_is_number(settings, wanted),
        )
    _report(f"{wanted} has been added", password if shown else None)


@app.command()
def passwd(
    context: typer.Context,
    address: AddressArgument,
    password_stdin: PasswordOption = False,
    generate: GenerateOption = False,
    config: ConfigOption = None,
) -> None:
    """Give an account a new password; open connections stay."""
    settings = configuration(context, config)
    with opened(settings.server) as records:
        account = _find(records, settings, address)
        password, shown = _password(password_stdin, generate)
        records.write(accounts.set_keys, account.id, fresh_keys(password))
    _report(f"{account.address} has a new password", password if shown else None)


@app.command()
def ls(
    context: typer.Context, as_json: JsonOption = False, config: ConfigOption = None
) -> None:
    """List the accounts."""
    with opened(configuration(context, config).server) as records:
        found = [
            _facts(account, records.read(store_quota.use, account.id))
            for account in records.read(accounts.everyone)
        ]
    if not as_json:
        found = [_for_people(each) for each in found]
    show(found, ["address", "policy", "used", "quota"], as_json=as_json)


@app.command()
def rm(
    context: typer.Context,
    address: AddressArgument,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    config: ConfigOption = None,
) -> None:
    """Remove an account with all it holds."""
    settings = configuration(context, config)
    with opened(settings.server) as records:
        account = _find(records, settings, address)
        question = f"Remove {account.address} and everything it holds?"
        if not yes and not _confirmed(question):
            raise OperatorError(
                "nothing has been removed; --yes removes without asking", os.EX_USAGE
            )
        records.write(_remove, account.id, records.store.clock())
    print(f"{account.address} has been removed")


@app.command()
def policy(
    context: typer.Context,
    address: AddressArgument,
    whom: Annotated[
        Policy | None, typer.Argument(metavar="[ask|contacts|anyone]")
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(
            metavar="SIZE",
            help=f"Largest item taken unasked: 500M, 10G (at first: {sizes.AT_FIRST}).",
        ),
    ] = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Show or set from whom an account takes content without asking.

    Sizes: K, M, G, T are thousands, Ki, Mi, Gi, Ti are powers of 1024.
    """
    settings = configuration(context, config)
    with opened(settings.server) as records:
        account = _find(records, settings, address)
        if whom is not None or size is not None:
            chosen = whom.value if whom is not None else account.policy
            octets = account.policy_size if size is None else sizes.parse(size)
            if chosen != Policy.ASK and size is None:
                octets = octets or sizes.parse(sizes.AT_FIRST)
            records.write(accounts.set_policy, account.id, chosen, octets)
            account = _find(records, settings, address)
        found = _facts(account, records.read(store_quota.use, account.id))
    show_one(found if as_json else _for_people(found), as_json=as_json)


@app.command()
def quota(
    context: typer.Context,
    address: AddressArgument,
    size: Annotated[
        str | None,
        typer.Argument(metavar="[SIZE|none]", help="Such as 500M or 10G."),
    ] = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Show or set how much an account may hold.

    Sizes: K, M, G, T are thousands, Ki, Mi, Gi, Ti are powers of 1024.
    """
    settings = configuration(context, config)
    with opened(settings.server) as records:
        account = _find(records, settings, address)
        if size is not None:
            octets = None if size == "none" else sizes.parse(size)
            records.write(store_quota.set_quota, account.id, octets)
        use = records.read(store_quota.use, account.id)
    octets_of: dict[str, int | None] = {
        "held": use.held,
        "interrupted": use.interrupted,
        "reserved": use.reserved,
        "used": use.octets,
        "quota": use.quota,
    }
    shown = {name: _amount(value) for name, value in octets_of.items()}
    facts = octets_of if as_json else shown
    show_one({"address": str(account.address), **facts}, as_json=as_json)


def own_address(settings: Configuration, text: str) -> Address:
    """Check an address for a new account of this server."""
    try:
        normal = validate_email(
            text, check_deliverability=False, globally_deliverable=False
        ).normalized
        address = parse_address(normal)
    except (EmailNotValidError, AddressError) as error:
        raise OperatorError(f"{text}: {error}") from error
    domains = sorted(parse_address(f"x@{d}").domain for d in settings.server.domains)
    if address.domain not in domains:
        raise OperatorError(f"{address}: this server has {', '.join(domains)} only")
    if _is_number(settings, address):
        _check_number(address)
    elif address.tag:
        raise OperatorError(f"{address}: what follows a + is not part of an account")
    return address


def _is_number(settings: Configuration, address: Address) -> bool:
    """Whether an account is one of a rendezvous."""
    return any(
        parse_address(f"x@{domain}").domain == address.domain
        for domain in settings.rendezvous.domains
    )


def _check_number(address: Address) -> None:
    """Refuse what is not one country's number in its one form (E.164)."""
    try:
        found = number.normal(address.local)
    except number.NumberError as error:
        raise OperatorError(f"{address}: {error}, such as +14155550101") from error
    if found != address.local:
        raise OperatorError(f"{address}: the form of this number is {found}")


def fresh_keys(password: str) -> ScramKeys:
    """Return the verifier of a new password."""
    return make_keys(password, secrets.token_bytes(_SALT))


def _find(records: Records, settings: Configuration, text: str) -> Account:
    try:
        account = records.read(accounts.find, parse_address(text))
    except AddressError as error:
        raise OperatorError(f"{text}: {error}") from error
    if account is None:
        raise OperatorError(
            f"{text}: no such account in {settings.server.store}", os.EX_NOUSER
        )
    return account


def _facts(account: Account, use: Use) -> dict[str, Any]:
    return {
        "address": str(account.address),
        "policy": account.policy,
        "policy_size": account.policy_size,
        "used": use.octets,
        "quota": account.quota,
    }


def _for_people(fact: dict[str, Any]) -> dict[str, Any]:
    policy = fact["policy"]
    if policy != Policy.ASK:
        policy = f"{policy}, up to {amount(fact['policy_size'])}"
    return {
        "address": fact["address"],
        "policy": policy,
        "used": _amount(fact["used"]),
        "quota": _amount(fact["quota"]),
    }


def _amount(octets: int | None) -> str | None:
    return None if octets is None else amount(octets)


def _password(from_stdin: bool, generate: bool) -> tuple[str, bool]:
    """Return the password, and whether it was made here and must be shown."""
    if from_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    elif generate or not sys.stdin.isatty():
        return secrets.token_urlsafe(15), True
    else:
        password = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    if len(password) < _SHORTEST:
        raise OperatorError(f"a password has at least {_SHORTEST} characters")
    return password, False


def _confirmed(question: str) -> bool:
    return sys.stdin.isatty() and typer.confirm(question)


def _remove(tx: Tx, account_id: int, now: float) -> None:
    """Remove an account; who waits for something of it is told (a job)."""
    transfers.cancel_all(tx, account_id, now)
    address_requests.forget_account(tx, accounts.get(tx, account_id))
    accounts.remove(tx, account_id)


def _report(what: str, password: str | None) -> None:
    print(what)
    if password is not None:
        print(f"password: {password}")
