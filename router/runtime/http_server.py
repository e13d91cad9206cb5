"""uvicorn and its sockets, set up in one way for everything here that serves HTTP."""

import logging
import socket
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from router.runtime.addresses import Address


def http_config(app: Any, protocol: type[HttpToolsProtocol], **options: Any) -> uvicorn.Config:
    """Return uvicorn's configuration: the project's own logging, no headers that name the server, no WebSockets.

    Args:
        app: an ASGI application.
        options: of uvicorn, where they differ from those here.
    """
    common = {
        "ws": "none",
        "lifespan": "off",
        "log_config": None,
        "log_level": logging.ERROR,
        "access_log": False,
        "server_header": False,
        "date_header": False,
        "proxy_headers": False,
    }
    return uvicorn.Config(app, http=protocol, **{**common, **options})


def listen(address: Address, backlog: int, *, reuse_port: bool = False) -> socket.socket:
    """Return a listening socket that does not block.

    Args:
        backlog: connections that may wait to be accepted.
        reuse_port: other processes listen there, too.

    Raises:
        OSError: the address can't be listened on.
    """
    listening = socket.socket(address.family)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listening.bind(address)
        listening.listen(backlog)
    except OSError:
        listening.close()
        raise
    listening.settimeout(0)
    return listening
