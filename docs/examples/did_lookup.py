"""One client of did-router for all calls of a process, with its settings from the environment.

Needs `pip install did-router`, which brings router.client.
"""

import functools
import os

from router.client import Client

TARGET = os.environ.get("DID_LOOKUP_TARGET", "127.0.0.1:50051")
DEADLINE = float(os.environ.get("DID_LOOKUP_DEADLINE", "0.2"))
"""Seconds: a caller hears silence meanwhile, and a switch waits for it with every call."""


def open_client(target: str = TARGET) -> Client:
    """Return a client. Make it after forking: gRPC does not outlive a fork."""
    return Client(target, deadline=DEADLINE)


@functools.cache
def shared_client() -> Client:
    """Return this process's one client.

    For scripts that their switch loads again for each call: this module is loaded once, so the client stays.
    """
    return open_client()
