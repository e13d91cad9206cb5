"""Options of a client: deadlines, keepalive, retries, circuit breaker, TLS and token."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import grpc

Token = str | Callable[[], str]
"""A bearer token, or a function that returns the current one: it is called for every request."""

CONNECTION: Mapping[str, int | str] = {
    "grpc.keepalive_time_ms": 10_000,
    "grpc.keepalive_timeout_ms": 2_000,
    "grpc.http2.ping_timeout_ms": 2_000,  # a ping of another kind may be under way: then no keepalive is sent
    "grpc.initial_reconnect_backoff_ms": 100,
    "grpc.min_reconnect_backoff_ms": 1_000,
    "grpc.max_reconnect_backoff_ms": 1_000,
    "grpc.service_config": '{"loadBalancingConfig": [{"round_robin": {}}]}',  # all of a name's addresses take calls
}
"""Options of the channel.

A connection that died without a word is noticed, and a service that is back is called again within a second or so.
By itself gRPC takes many minutes for the one, and up to two for the other.
"""


class TokenError(ValueError):
    """A token that no header can carry."""


@dataclass(frozen=True, slots=True)
class Options:
    """Options that few callers change.

    Attributes:
        attempts: of one read, the first included, while a service refuses connections or closes them. Changes of
            numbers are sent once.
        circuit_breaker_failures: consecutive exceeded deadlines after which the circuit breaker refuses calls; 0: no
            breaker.
        circuit_breaker_reset_timeout: seconds that it stays open before one trial call, so that a frozen service costs
            a caller one deadline a second.
        explain_deadline: seconds for Explain, which asks every layer.
        manager_deadline: seconds for a call of the number manager: a thousand numbers take a while.
        channel: options of gRPC's channel, over those of `CONNECTION`.
    """

    attempts: int = 3
    circuit_breaker_failures: int = 3
    circuit_breaker_reset_timeout: float = 1.0
    explain_deadline: float = 5.0
    manager_deadline: float = 60.0
    channel: Mapping[str, int | str] = field(default_factory=dict)

    def channel_options(self) -> list[tuple[str, int | str]]:
        """Return gRPC's options for a channel."""
        return list({**CONNECTION, **self.channel}.items())


@dataclass(frozen=True, slots=True)
class Tls:
    """TLS, with PEM texts.

    Attributes:
        ca: the authorities to trust; None: those that gRPC ships.
        certificate: the client's own, where the service requires one; needs `key`.
    """

    ca: bytes | None = None
    certificate: bytes | None = None
    key: bytes | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key belong together: give both")

    @classmethod
    def from_files(
        cls, ca: str | Path | None = None, certificate: str | Path | None = None, key: str | Path | None = None
    ) -> "Tls":
        """Read the PEM files.

        Raises:
            OSError: a file can't be read.
        """
        return cls(*(None if path is None else Path(path).read_bytes() for path in (ca, certificate, key)))

    def credentials(self) -> grpc.ChannelCredentials:
        """Return gRPC's credentials for a channel."""
        return grpc.ssl_channel_credentials(self.ca, self.key, self.certificate)


def metadata_for(token: Token | None) -> tuple[tuple[str, str], ...]:
    """Return the headers that carry a token.

    Raises:
        TokenError: the text is no token.
    """
    text = token() if callable(token) else token
    if text is None:
        return ()
    text = text.strip()
    if not text or not text.isascii() or not text.isprintable() or " " in text:
        raise TokenError("a token is one word of printable ASCII (did-router token new)")
    return (("authorization", f"Bearer {text}"),)
