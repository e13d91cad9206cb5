"""Lookups over HTTP, whose results memory holds or a batcher brings later."""

import asyncio
from typing import Protocol

from router.server.api.http.results import HttpError
from router.server.failure import Failure

Result = bytes | Failure | asyncio.Future[bytes | Failure]


class Lookups(Protocol):
    """Answers lookups inside of the event loop."""

    def submit(self, request: bytes, remaining: float | None) -> Result:
        """Take a serialised LookupRequest and the seconds that are left; return a result, or the future of one."""


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
