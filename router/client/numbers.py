"""The number manager, by both clients.

Each method takes its request, and returns a result for the call as a whole. The response holds a result for each
number: one bad number never fails the rest. Reads are sent again when a connection fails. Changes never are: after a
failed change read the numbers.
"""

from collections.abc import Awaitable
from typing import Protocol

from router.client import methods
from router.client.methods import Method, Req, Res
from router.client.results import Result
from router.v1 import numbers_pb2 as nm


class Send(Protocol):
    """Sends one request of `Client`."""

    def __call__(self, method: Method[Req, Res], request: Req, deadline: float | None) -> Result[Res]:
        """Return its result."""


class SendAsync(Protocol):
    """Sends one request of `AsyncClient`."""

    def __call__(self, method: Method[Req, Res], request: Req, deadline: float | None) -> Awaitable[Result[Res]]:
        """Return its result."""


class Numbers:
    """The number manager for threads: `Client.numbers`."""

    def __init__(self, send: Send) -> None:
        self._send = send

    def get(self, request: nm.GetNumbersRequest, deadline: float | None = None) -> Result[nm.NumbersResponse]:
        """Return the numbers' documents."""
        return self._send(methods.GET, request, deadline)

    def list_by_account(
        self, request: nm.ListByAccountRequest, deadline: float | None = None
    ) -> Result[nm.ListByAccountResponse]:
        """Return a page of an account's numbers."""
        return self._send(methods.LIST_BY_ACCOUNT, request, deadline)

    def history(self, request: nm.HistoryRequest, deadline: float | None = None) -> Result[nm.HistoryResponse]:
        """Return the accounts that owned and reserved numbers."""
        return self._send(methods.HISTORY, request, deadline)

    def create(self, request: nm.CreateNumbersRequest, deadline: float | None = None) -> Result[nm.NumbersResponse]:
        """Create numbers."""
        return self._send(methods.CREATE, request, deadline)

    def reserve(self, request: nm.ReserveNumbersRequest, deadline: float | None = None) -> Result[nm.NumbersResponse]:
        """Reserve numbers for an account."""
        return self._send(methods.RESERVE, request, deadline)

    def move(self, request: nm.MoveNumbersRequest, deadline: float | None = None) -> Result[nm.NumbersResponse]:
        """Put numbers in service on an account."""
        return self._send(methods.MOVE, request, deadline)

    def release(self, request: nm.ReleaseNumbersRequest, deadline: float | None = None) -> Result[nm.NumbersResponse]:
        """Release numbers."""
        return self._send(methods.RELEASE, request, deadline)

    def delete(self, request: nm.DeleteNumbersRequest, deadline: float | None = None) -> Result[nm.NumbersResponse]:
        """Delete numbers' documents."""
        return self._send(methods.DELETE, request, deadline)

    def update(self, request: nm.UpdateNumbersRequest, deadline: float | None = None) -> Result[nm.NumbersResponse]:
        """Change numbers' public fields."""
        return self._send(methods.UPDATE, request, deadline)

    def assign_to_app(
        self, request: nm.AssignToAppRequest, deadline: float | None = None
    ) -> Result[nm.NumbersResponse]:
        """Set the application that uses numbers."""
        return self._send(methods.ASSIGN_TO_APP, request, deadline)


class AsyncNumbers:
    """The number manager for asyncio: `AsyncClient.numbers`."""

    def __init__(self, send: SendAsync) -> None:
        self._send = send

    async def get(self, request: nm.GetNumbersRequest, deadline: float | None = None) -> Result[nm.NumbersResponse]:
        """Return the numbers' documents."""
        return await self._send(methods.GET, request, deadline)

    async def list_by_account(
        self, request: nm.ListByAccountRequest, deadline: float | None = None
    ) -> Result[nm.ListByAccountResponse]:
        """Return a page of an account's numbers."""
        return await self._send(methods.LIST_BY_ACCOUNT, request, deadline)

    async def history(self, request: nm.HistoryRequest, deadline: float | None = None) -> Result[nm.HistoryResponse]:
        """Return the accounts that owned and reserved numbers."""
        return await self._send(methods.HISTORY, request, deadline)

    async def create(
        self, request: nm.CreateNumbersRequest, deadline: float | None = None
    ) -> Result[nm.NumbersResponse]:
        """Create numbers."""
        return await self._send(methods.CREATE, request, deadline)

    async def reserve(
        self, request: nm.ReserveNumbersRequest, deadline: float | None = None
    ) -> Result[nm.NumbersResponse]:
        """Reserve numbers for an account."""
        return await self._send(methods.RESERVE, request, deadline)

    async def move(self, request: nm.MoveNumbersRequest, deadline: float | None = None) -> Result[nm.NumbersResponse]:
        """Put numbers in service on an account."""
        return await self._send(methods.MOVE, request, deadline)

    async def release(
        self, request: nm.ReleaseNumbersRequest, deadline: float | None = None
    ) -> Result[nm.NumbersResponse]:
        """Release numbers."""
        return await self._send(methods.RELEASE, request, deadline)

    async def delete(
        self, request: nm.DeleteNumbersRequest, deadline: float | None = None
    ) -> Result[nm.NumbersResponse]:
        """Delete numbers' documents."""
        return await self._send(methods.DELETE, request, deadline)

    async def update(
        self, request: nm.UpdateNumbersRequest, deadline: float | None = None
    ) -> Result[nm.NumbersResponse]:
        """Change numbers' public fields."""
        return await self._send(methods.UPDATE, request, deadline)

    async def assign_to_app(
        self, request: nm.AssignToAppRequest, deadline: float | None = None
    ) -> Result[nm.NumbersResponse]:
        """Set the application that uses numbers."""
        return await self._send(methods.ASSIGN_TO_APP, request, deadline)
