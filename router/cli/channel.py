"""The way to a running service: address, TLS and token."""

import functools
import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple

import click
import grpc

from router.settings.errors import SettingsError

DEFAULT_TARGET = "127.0.0.1:50051"
TOKEN_VARIABLE = "DID_ROUTER_TOKEN"  # noqa: S105 - where one is found

TOKEN_HINT = f"here a token comes from --token-file or {TOKEN_VARIABLE}"
"""The remedy when a service refuses the token."""

Metadata = Sequence[tuple[str, str]]
_FILE = click.Path(path_type=Path, dir_okay=False)


class Service(NamedTuple):
    """A service to call.

    Attributes:
        credentials: for TLS; None: no TLS.
        metadata: sent with every call.
        has_client_certificate: the credentials hold a client certificate.
        ca: PEM of the authorities that TLS trusts; empty for those of the system, None for no TLS.
    """

    target: str
    credentials: grpc.ChannelCredentials | None
    metadata: Metadata
    has_client_certificate: bool = False
    ca: str | None = None

    @property
    def hint(self) -> str:
        """The remedies for a service that doesn't answer."""
        return f"start one: did-router serve; {self._other_cause}"

    @property
    def _other_cause(self) -> str:
        """Further causes: gRPC says little about a failed handshake, often only that the socket closed."""
        if self.credentials is None:
            return "or it requires TLS: --tls-ca"
        if self.has_client_certificate:
            return "or it uses no TLS, has a certificate of another authority, or does not trust ours"
        return (
            "or it requires a client certificate: --tls-certificate and --tls-key; "
            "or it uses no TLS, or has a certificate of another authority: --tls-ca"
        )

    def unreachable_message(self, details: str) -> str:
        """Return the message for a service that doesn't answer."""
        return f"no did-router answers at {self.target}: {details} ({self.hint})"

    def open(self) -> AbstractContextManager[grpc.Channel]:
        """Return a channel to the service."""
        if self.credentials is None:
            return grpc.insecure_channel(self.target)
        return grpc.secure_channel(self.target, self.credentials)


def service_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command --target and the options for TLS and tokens; it receives `service`."""

    @click.option("--target", default=DEFAULT_TARGET, metavar="ADDR", show_default=True, help="Address of the service.")
    @click.option(
        "--token-file", type=_FILE, help=f"File with the caller's token (default: the variable {TOKEN_VARIABLE})."
    )
    @click.option("--tls", is_flag=True, help="Use TLS, and trust the certificate authorities that gRPC ships.")
    @click.option("--tls-ca", type=_FILE, help="Use TLS, and trust the certificate authorities in this PEM file.")
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
        credentials = _credentials(tls_ca, tls_certificate, tls_key, tls=tls)
        ca = None if credentials is None else "" if tls_ca is None else _read(tls_ca).decode("ascii", "replace")
        asked = Service(target, credentials, _metadata(token_file), tls_certificate is not None, ca)
        return command(*args, service=asked, **rest)

    return wrapped


def _credentials(
    ca: Path | None, certificate: Path | None, key: Path | None, *, tls: bool
) -> grpc.ChannelCredentials | None:
    if (certificate is None) != (key is None):
        raise SettingsError("--tls-certificate and --tls-key belong together: give both")
    if not tls and ca is None:
        if certificate is not None:
            raise SettingsError("--tls-certificate needs --tls or --tls-ca as well")
        return None
    roots, own, secret = (None if path is None else _read(path) for path in (ca, certificate, key))
    return grpc.ssl_channel_credentials(root_certificates=roots, private_key=secret, certificate_chain=own)


def _metadata(file: Path | None) -> Metadata:
    given = os.environ.get(TOKEN_VARIABLE, "") if file is None else _read(file).decode("ascii", "replace")
    token = given.strip()
    if not token:
        if file is not None:
            raise SettingsError(f"--token-file {file} is empty: it must hold a token (did-router token new)")
        return ()
    if not token.isascii() or not token.isprintable() or " " in token:
        where = TOKEN_VARIABLE if file is None else f"--token-file {file}"
        raise SettingsError(f"{where} must hold one token and nothing else (did-router token new)")
    return (("authorization", f"Bearer {token}"),)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as problem:
        raise SettingsError(f"{path}: {problem.strerror}") from None
