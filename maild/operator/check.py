# SPDX-License-Identifier: Apache-2.0
"""``maild check-config``: what can be known before the server is started."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import typer

from maild.config import ConfigError, Configuration
from maild.delivery import trust
from maild.identity import Identity
from maild.operator.console import ConfigOption, configuration


def check_config(context: typer.Context, config: ConfigOption = None) -> None:
    """Say whether the configuration can be used.

    What may be meant as it is, or cannot be seen by who asks, is a warning.
    """
    found = configuration(context, config)
    from maild import app  # large; only what is needed here

    identity = app.identity_of(found)
    warnings = [*_of_the_store(found), *_of_the_name(identity)]
    for warning in warnings:
        print(f"maild: warning: {found.file}: [server] {warning}", file=sys.stderr)
    print(f"{found.file}: ok")


def _of_the_store(found: Configuration) -> list[str]:
    """Look whether there is, or can be, a store; leaves nothing behind."""
    store = Path(found.server.store)
    try:
        there = next(each for each in (store, *store.parents) if each.exists())
        tempfile.TemporaryDirectory(dir=there, prefix=".maild").cleanup()
    except PermissionError:
        return [f"store: {store} is not for this user; the server's may write there"]
    except OSError as error:
        complaint = f"store: {store}: cannot be written: {error.strerror}"
        raise ConfigError(found.file, complaint, table="server") from error
    return []


def _of_the_name(identity: Identity) -> list[str]:
    """Look whether terminals and peers will find the name that they have called."""
    from cryptography import x509  # large

    certificate = x509.load_der_x509_certificate(identity.certificate)
    try:
        said = certificate.extensions.get_extension_for_class(
            x509.SubjectAlternativeName
        ).value.get_values_for_type(x509.DNSName)
    except x509.ExtensionNotFound:
        said = []
    told = {"subjectAltName": [("DNS", name) for name in said]}
    try:
        trust.check_names(told, [identity.hostname], identity.hostname)
    except trust.InsecureError:
        names = ", ".join(said) or "no name"
        return [f"hostname: {identity.hostname} is not in the certificate ({names})"]
    return []
