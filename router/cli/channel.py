"""The way to a running service: address, TLS and token."""

import functools
import os
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import click

from router.client import Client, Options, Tls, TokenError
from router.client.options import metadata_for
from router.settings.client_tls import add_client_certificate, create_context
from router.settings.errors import SettingsError

DEFAULT_TARGET = "127.0.0.1:50051"
TOKEN_VARIABLE = "DID_ROUTER_TOKEN"  # noqa: S105 - where one is found

TOKEN_HINT = f"here a token comes from --token-file or {TOKEN_VARIABLE}"
"""The remedy when a service refuses the token."""

NO_BREAKER = Options(circuit_breaker_failures=0)
"""A command asks about each of its numbers, however the last one went."""

_FILE = click.Path(path_type=Path, dir_okay=False)

tls_ca_option = click.option(
    "--tls-ca", type=_FILE, help="Use TLS, and trust the certificate authorities in this PEM file."
)


class TlsFiles(NamedTuple):
    """PEM files of TLS; without authorities it trusts the public ones, without a certificate it shows none."""

    ca: Path | None
    certificate: Path | None
    key: Path | None

    def read(self) -> Tls:
        """Return the PEM texts for a gRPC channel.

        Raises:
            SettingsError: a file can't be read.
        """
        return Tls(*(None if path is None else _read(path) for path in self))

    def context(self) -> ssl.SSLContext:
        """Return the TLS context for HTTP.

        Raises:
            SettingsError: a file can't be read or has no PEM certificates, or the certificate and the key don't belong
                together.
        """
        context = create_context(self.ca, "--tls-ca")
        if self.certificate is not None and self.key is not None:
            add_client_certificate(context, self.certificate, self.key, "--tls-certificate and --tls-key:")
        return context


class Service(NamedTuple):
    """A service to call.

    Attributes:
        files: None: no TLS.
        token: sent with every call; None: none.
    """

    target: str
    files: TlsFiles | None
    token: str | None

    @property
    def hint(self) -> str:
        """The remedies for a service that doesn't answer."""
        return f"start one: did-router serve; {self.other_cause}"

    @property
    def other_cause(self) -> str:
        """Further causes: little is said about a failed handshake, often only that the socket closed."""
        if self.files is None:
            return "or it requires TLS: --tls-ca"
        if self.files.certificate is not None:
            return "or it uses no TLS, has a certificate of another authority, or does not trust ours"
        return (
            "or it requires a client certificate: --tls-certificate and --tls-key; "
            "or it uses no TLS, or has a certificate of another authority: --tls-ca"
        )

    def unreachable_message(self, details: str) -> str:
        """Return the message for a service that doesn't answer."""
        return f"no did-router answers at {self.target}: {details} ({self.hint})"

    @property
    def headers(self) -> dict[str, str]:
        """HTTP's headers, with the token."""
        return dict(metadata_for(self.token))

    def client(self, timeout: float) -> Client:
        """Return a client of the service; `timeout` is each call's deadline in seconds."""
        tls = None if self.files is None else self.files.read()
        return Client(self.target, deadline=timeout, token=self.token, tls=tls, options=NO_BREAKER)


def service_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command --target and the options for TLS and tokens; it receives `service`."""

    @click.option("--target", default=DEFAULT_TARGET, metavar="ADDR", show_default=True, help="Address of the service.")
    @click.option(
        "--token-file", type=_FILE, help=f"File with the caller's token (default: the variable {TOKEN_VARIABLE})."
    )
    @click.option("--tls", is_flag=True, help="Use TLS, and trust the certificate authorities that gRPC ships.")
    @tls_ca_option
    @click.option(
        "--tls-certificate", type=_FILE, help="PEM file with a client certificate, if the service requires one."
    )
    @click.option("--tls-key", type=_FILE, help="PEM file with the client certificate's private key.")
    @functools.wraps(command)
    def wrapped(
        *args: Any,
        target: str,
        token_file: Path | None,
        tls: bool,
        tls_ca: Path | None,
        tls_certificate: Path | None,
        tls_key: Path | None,
        **rest: Any,
    ) -> Any:
        asked = Service(target, _files(tls_ca, tls_certificate, tls_key, tls=tls), _token(token_file))
        return command(*args, service=asked, **rest)

    return wrapped


def _files(ca: Path | None, certificate: Path | None, key: Path | None, *, tls: bool) -> TlsFiles | None:
    if (certificate is None) != (key is None):
        raise SettingsError("--tls-certificate and --tls-key belong together: give both")
    if not tls and ca is None:
        if certificate is not None:
            raise SettingsError("--tls-certificate needs --tls or --tls-ca as well")
        return None
    return TlsFiles(ca, certificate, key)


def _token(file: Path | None) -> str | None:
    given = os.environ.get(TOKEN_VARIABLE, "") if file is None else _read(file).decode("ascii", "replace")
    token = given.strip()
    if not token:
        if file is not None:
            raise SettingsError(f"--token-file {file} is empty: it must hold a token (did-router token new)")
        return None
    try:
        metadata_for(token)
    except TokenError:
        where = TOKEN_VARIABLE if file is None else f"--token-file {file}"
        raise SettingsError(f"{where} must hold one token and nothing else (did-router token new)") from None
    return token


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as problem:
        raise SettingsError(f"{path}: {problem.strerror}") from None


def token_headers_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command --token-file for a service over HTTP; it receives `headers`."""

    @click.option(
        "--token-file", type=_FILE, help=f"File with the caller's token (default: the variable {TOKEN_VARIABLE})."
    )
    @functools.wraps(command)
    def wrapped(*args: Any, token_file: Path | None, **rest: Any) -> Any:
        return command(*args, headers=dict(metadata_for(_token(token_file))), **rest)

    return wrapped
