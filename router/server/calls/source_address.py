"""Callers of protocols without tokens: the sockets that they reach, which of them may ask, and how often."""

import ipaddress
import socket

from router.runtime.addresses import parse_address

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_MAX_SOURCES = 10_000


class SourceFilter:
    """Lets requests of some networks pass, each address as often as the rate allows; used inside one event loop.

    Args:
        allowed: networks that may ask.
        rate: requests a second of one address; it may save up as many. 0: any number.
    """

    def __init__(self, allowed: tuple[Network, ...], rate: int) -> None:
        self._allowed = allowed
        self._rate = rate
        self._verdicts: dict[str, bool] = {}
        self._buckets: dict[str, tuple[float, float]] = {}

    def is_allowed(self, address: str) -> bool:
        """Return whether an address is in one of the networks; kept for as many addresses as ask usually."""
        verdict = self._verdicts.get(address)
        if verdict is None:
            if len(self._verdicts) >= _MAX_SOURCES:
                self._verdicts.clear()
            verdict = self._verdicts[address] = _is_in(address, self._allowed)
        return verdict

    def admit(self, address: str, now: float) -> bool:
        """Return whether an address may ask now (a token bucket).

        Args:
            now: seconds on the monotonic clock.
        """
        if not self._rate:
            return True
        tokens, since = self._buckets.get(address, (float(self._rate), now))
        tokens = min(self._rate, tokens + (now - since) * self._rate)
        if len(self._buckets) >= _MAX_SOURCES and address not in self._buckets:
            self._buckets.clear()  # addresses may be forged, and their memory is bounded
        self._buckets[address] = (max(0.0, tokens - 1), now)
        return tokens >= 1


def _is_in(address: str, allowed: tuple[Network, ...]) -> bool:
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    return any(found in network for network in allowed)


def open_sockets(address: str, *, reuse_port: bool) -> tuple[socket.socket, socket.socket]:
    """Bind UDP and TCP on host:port, for port 0 on the same free one.

    Raises:
        OSError: one of them can't be had.
    """
    parsed = parse_address(address)
    port = parsed.port
    datagrams, stream = (socket.socket(parsed.family, kind) for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM))
    try:
        for each in (stream, datagrams):
            if each is stream:
                each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if reuse_port:
                each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            each.settimeout(0)
            each.bind((parsed.host, port))
            port = each.getsockname()[1]
        stream.listen(128)
    except OSError:
        datagrams.close()
        stream.close()
        raise
    return datagrams, stream
