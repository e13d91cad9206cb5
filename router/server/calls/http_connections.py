"""Ends an HTTP connection without losing its last response."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

_LINGER = 1.0
"""Seconds in which the rest of a request is read and dropped: a connection that is closed with unread bytes is reset,
and its caller may lose the response."""


class Asking(RequestResponseCycle):
    """A request whose caller waits for 100 before it sends the body (RFC 9110 10.1.1).

    After a response that comes instead, the body may or may not follow. So that response closes the connection: the
    caller need not send the body, and a next request is not taken for it.
    """

    async def send(self, message: Any) -> None:
        """Send ASGI's message."""
        if self.waiting_for_100_continue and self.more_body and message["type"] == "http.response.start":
            self.keep_alive = False
        await super().send(message)


class Lingering(asyncio.Transport):
    """A transport that reads and drops the rest of a request before it closes.

    Attributes:
        is_unread: whether more of a request may come.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        super().__init__()
        self._transport = transport
        self._ends = False
        self.is_unread = False
        self.write = transport.write  # type: ignore[method-assign]  # called for each response

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return what the transport knows."""
        return self._transport.get_extra_info(name, default)

    def is_closing(self) -> bool:
        """Return whether no more is sent."""
        return self._ends or self._transport.is_closing()

    def close(self) -> None:
        """Send what is to be sent, and close."""
        if self._ends or not self.is_unread or self._transport.is_closing():
            self._transport.close()
            return
        self._ends = True
        self._transport.write_eof()
        self._transport.resume_reading()
        asyncio.get_running_loop().call_later(_LINGER, self._transport.close)
