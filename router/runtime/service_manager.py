"""Notifies systemd of a service's state, by the protocol of sd_notify(3): datagrams to the socket in NOTIFY_SOCKET.

Without that variable nothing is sent. A library for twenty lines of a frozen protocol would cost more than it saves.
"""

import logging
import os
import socket
import time
from collections.abc import MutableMapping

log = logging.getLogger(__name__)

_SOCKET, _INTERVAL, _PROCESS = "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"
_SHARE = 3
"""Messages in each watchdog interval: one may be late."""


class ServiceManager:
    """Tells systemd when the service is ready, reloads, lives and stops.

    The variables are removed from the environment, so that child processes do not speak for this one.
    """

    def __init__(self, environment: MutableMapping[str, str] | None = None) -> None:
        given = os.environ if environment is None else environment
        self._address = given.pop(_SOCKET, "")
        interval, process = given.pop(_INTERVAL, ""), given.pop(_PROCESS, "")
        is_ours = not process or process == str(os.getpid())
        self._interval = int(interval) / 1e6 / _SHARE if interval.isdecimal() and is_ours and self._address else 0.0
        self._next = 0.0
        self._status = ""

    @property
    def watchdog_interval(self) -> float:
        """Seconds after which `keep_alive` must have been called; 0: no watchdog."""
        return self._interval

    def ready(self) -> None:
        """Report that the service is in service, at first or after a reload."""
        self._send("READY=1")

    def reloading(self) -> None:
        """Report that the service replaces its workers, until `ready`."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """Report that the service ends."""
        self._send("STOPPING=1")

    def status(self, text: str) -> None:
        """Show a line in `systemctl status`; the same line is sent once."""
        if text != self._status:
            self._status = text
            self._send(f"STATUS={text}")

    def keep_alive(self) -> None:
        """Reset systemd's watchdog, at most as often as it needs; cheap enough for a loop."""
        if self._interval and time.monotonic() >= self._next:
            self._next = time.monotonic() + self._interval
            self._send("WATCHDOG=1")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        path = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sent:
                sent.sendto(message.encode(), path)
        except OSError as problem:
            log.warning("systemd was not notified: socket=%s error=%s", self._address, problem)
