"""How a command reaches a running service: address, TLS, and the token that it shows."""

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

HOW_TO_SHOW = f"here a token comes from --token-file or {TOKEN_VARIABLE}"
"""What to do when a service turns us away."""

Metadata = Sequence[tuple[str, str]]
_FILE = click.Path(path_type=Path, dir_okay=False)


class Service(NamedTuple):
    """A service to ask.

    Attributes:
        credentials: for TLS; None for none.
        metadata: what every call carries.
        shows_certificate: whether the credentials hold a client certificate.
    """

    target: str
    credentials: grpc.ChannelCredentials | None
    metadata: Metadata
    shows_certificate: bool = False

    @property
    def hint(self) -> str:
        """What to do when nobody answers."""
        return f"start one: did-router serve; {self._other_cause}"

    @property
    def _other_cause(self) -> str:
        """What else it may be: of a handshake that failed gRPC says little, often only that the socket closed."""
        if self.credentials is None:
            return "or does it speak TLS? --tls-ca"
        if self.shows_certificate:
            return "or does it speak no TLS, have a certificate of another authority, or not trust ours?"
        return (
            "or does it want a client certificate? --tls-certificate and --tls-key; "
            "or does it speak no TLS, or have a certificate of another authority? --tls-ca"
        )

    def silence(self, said: str) -> str:
        """What to say when nobody answers."""
        return f"no did-router answers at {self.target}: {said} ({self.hint})"

    def open(self) -> AbstractContextManager[grpc.Channel]:
        """A channel to it."""
        if self.credentials is None:
            return grpc.insecure_channel(self.target)
        return grpc.secure_channel(self.target, self.credentials)


def service_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command --target and what opens a guarded service; it receives `service`."""

    @click.option("--target", default=DEFAULT_TARGET, metavar="ADDR", show_default=True, help="The service to ask.")
    @click.option("--token-file", type=_FILE, help=f"File that holds the token to show (else {TOKEN_VARIABLE}).")
    @click.option("--tls", is_flag=True, help="Speak TLS, trusting the authorities that gRPC brings along.")
    @click.option("--tls-ca", type=_FILE, help="Speak TLS, trusting the authorities in this PEM file.")
    @click.option("--tls-certificate", type=_FILE, help="PEM file: our own certificate, where the service wants one.")
    @click.option("--tls-key", type=_FILE, help="PEM file: its private key.")
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
        asked = Service(target, credentials, _metadata(token_file), shows_certificate=tls_certificate is not None)
        return command(*args, service=asked, **rest)

    return wrapped


def _credentials(
    ca: Path | None, certificate: Path | None, key: Path | None, *, tls: bool
) -> grpc.ChannelCredentials | None:
    if (certificate is None) != (key is None):
        raise SettingsError("--tls-certificate and --tls-key belong together: give both")
    if not tls and ca is None:
        if certificate is not None:
            raise SettingsError("--tls-certificate wants --tls or --tls-ca beside it")
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
