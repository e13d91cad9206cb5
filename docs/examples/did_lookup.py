"""One client for all calls of a process, with its settings from the environment: one did-router, or several.

Needs `pip install did-router`, which brings router.client.
"""

import functools
import os

from router.client import Client, LookupResult

TARGET = os.environ.get("DID_LOOKUP_TARGET", "127.0.0.1:50051")
"""host:port of did-router; of several, separated by commas, the next one is asked what one leaves open."""
DEADLINE = float(os.environ.get("DID_LOOKUP_DEADLINE", "0.2"))
"""Seconds for one did-router: a caller hears silence meanwhile, and a switch waits for it with every call."""
_UNKNOWN = 503
"""SIP response to a call whose number this did-router can't look up: another one may."""


class Routers:
    """Asks each did-router until one knows; each has a channel and a circuit breaker of its own."""

    def __init__(self, target: str) -> None:
        self._clients = [Client(address.strip(), deadline=DEADLINE) for address in target.split(",")]

    def lookup(self, number: str) -> LookupResult:
        """Return the first result that says something about the number, or the last one."""
        for client in self._clients:
            result = client.lookup(number)
            if result.route or result.sip[0] != _UNKNOWN:
                break
        return result

    def close(self) -> None:
        """Close the channels."""
        for client in self._clients:
            client.close()


def open_client(target: str = TARGET) -> Routers:
    """Return a client. Make it after forking: gRPC does not outlive a fork."""
    return Routers(target)


@functools.cache
def shared_client() -> Routers:
    """Return this process's one client.

    For scripts that their switch loads again for each call: this module is loaded once, so the client stays.
    """
    return open_client()
