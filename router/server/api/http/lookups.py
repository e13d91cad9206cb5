"""Lookups over HTTP, whose results memory holds or a batcher brings later."""

import asyncio
from typing import Protocol

from router.server.api.http.results import HttpError
from router.server.failure import Failure
from router.server.observation.trace_context import Metadata

Result = bytes | Failure | asyncio.Future[bytes | Failure]


class Lookups(Protocol):
    """Answers lookups inside of the event loop."""

    def submit(self, request: bytes, remaining: float | None, metadata: Metadata | None = None) -> Result:
        """Take a serialised LookupRequest and the seconds that are left; return a result, or the future of one.

        Args:
            metadata: what came with the request and is of interest to others.
        """


async def answer_of(result: Result) -> bytes:
    """Return the serialised LookupResponse.

    Raises:
        HttpError: the lookup failed.
    """
    if isinstance(result, asyncio.Future):
        result = await result
    if isinstance(result, bytes):
        return result
    raise HttpError(result)
