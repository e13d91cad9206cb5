"""Ports that the supervisor binds for its workers, so that they all share one."""

import socket

from router.runtime.addresses import parse_address
from router.server.calls.call_source import AddressInUseError, address_in_use_message
from router.settings import Settings


def reserve_http(settings: Settings) -> tuple[socket.socket | None, str]:
    """Bind `http_listen` for the workers; nothing where it is empty."""
    address = settings.http.listen
    return reserve(address, "http_listen") if address else (None, "")


def reserve_datagrams(address: str, setting: str) -> tuple[socket.socket | None, str]:
    """Bind an address over TCP for the workers, and see that UDP is free; nothing where it is empty.

    A UDP socket that is only held would get its share of the messages.
    """
    if not address:
        return None, ""
    held, address = reserve(address, setting)
    try:
        with socket.socket(held.family, socket.SOCK_DGRAM) as probe:
            probe.bind(parse_address(address))
    except OSError as problem:
        held.close()
        raise AddressInUseError(address_in_use_message(address, problem, setting)) from None
    return held, address


def reserve(address: str, setting: str = "listen") -> tuple[socket.socket, str]:
    """Bind the port for the workers.

    Returns:
        The bound socket, and host:port.

    Raises:
        AddressInUseError: another process listens there.
    """
    parsed = parse_address(address)
    try:
        with socket.socket(parsed.family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(parsed)
            probe.listen()
        held = socket.socket(parsed.family)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind(parsed)
    except OSError as problem:
        raise AddressInUseError(address_in_use_message(address, problem, setting)) from None
    return held, str(parsed._replace(port=held.getsockname()[1]))
