"""A continuous feed's connection: an iterator of lines that another thread may close."""

from collections.abc import Iterator
from http.client import HTTPResponse
from typing import Any

from router.couch.connections import NodeConnections
from router.couch.error_translation import translate_errors
from router.couch.errors import BadResponseError, CouchUnavailable


class OpenFeed:
    """Reads the lines of one response.

    Args:
        timeout: seconds of silence after which the feed counts as lost.
    """

    def __init__(self, timeout: float) -> None:
        self.connections = NodeConnections(timeout)
        self._body: Any = None
        self.closed = False

    def attach(self, body: Any) -> None:
        """Take over the response whose lines are to be read."""
        if not hasattr(body, "resp"):
            raise BadResponseError("a feed was asked for and something else came back")
        self._body = body

    def lines(self) -> Iterator[bytes]:
        """Yield each line, b"" for a heartbeat, until the server ends the feed.

        Raises:
            CouchUnavailable: silence for longer than the timeout, or the connection was cut.
        """
        response: HTTPResponse = self._body.resp
        while not self.closed:
            try:
                line = translate_errors("the feed", response.readline)
            except CouchUnavailable:
                if self.closed:
                    return  # a line was on its way when the feed was closed
                raise
            if not line.endswith(b"\n"):
                if line and not self.closed:
                    raise CouchUnavailable("the feed was cut in the middle of a line")
                return
            yield line.strip()

    def close(self) -> None:
        """End the feed now, from any thread."""
        self.closed = True
        self.connections.cut_all()
