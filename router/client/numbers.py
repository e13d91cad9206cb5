"""The number manager, by both clients.

Each method takes its request, and returns a result for the call as a whole. The response holds a result for each
number: one bad number never fails the rest. Reads are sent again when a connection fails. Changes never are: after a
failed change read the numbers.
"""

from __future__ import annotations  # gRPC's classes are generic to type checkers alone

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import grpc
from google.protobuf.message import Message

from router.client.results import Result
from router.v1 import numbers_pb2 as nm
from router.v1.numbers_pb2_grpc import NumberManagerStub

if TYPE_CHECKING:
    from router.v1.numbers_pb2_grpc import NumberManagerAsyncStub

T = TypeVar("T", bound=Message)


class Call(Protocol):
    """`Client.call`."""

    def __call__(
        self, method: grpc.UnaryUnaryMultiCallable[Any, T], request: Any, deadline: float, *, is_read: bool
    ) -> Result[T]:
        """Send one request."""


class AsyncCall(Protocol):
    """`AsyncClient.call`."""

    def __call__(
        self, method: grpc.aio.UnaryUnaryMultiCallable[Any, T], request: Any, deadline: float, *, is_read: bool
    ) -> Awaitable[Result[T]]:
        """Send one request."""


class Numbers:
    """The number manager for threads: `Client.numbers`."""

    def __init__(self, call: Call, stub: NumberManagerStub, deadline: float) -> None:
        self._call = call
        self._stub = stub
        self._deadline = deadline

    def _seconds(self, deadline: float | None) -> float:
        return self._deadline if deadline is None else deadline

    def get(self, request: nm.GetNumbersRequest, deadline: float | None = None) -> Result[nm.NumbersResponse]:
        """Return the numbers' documents."""
        return self._call(self._stub.Get, request, self._seconds(deadline), is_read=True)

    def list_by_account(
        self, request: nm.ListByAccountRequest, deadline: float | None = None
    ) -> Result[nm.ListByAccountResponse]:
        """Return a page of an account's numbers."""
        return self._call(self._stub.ListByAccount, request, self._seconds(deadline), is_read=True)

    def history(self, request: nm.HistoryRequest, deadline: float | None = None) -> Result[nm.HistoryResponse]:
        """Return the accounts that owned and reserved numbers."""
        return self._call(self._stub.History, request, self._seconds(deadline), is_read=True)

    def create(self, request: nm.CreateNumbersRequest, deadline: float | None = None) -> Result[nm.NumbersResponse]:
        """Create numbers."""
        return self._call(self._stub.Create, request, self._seconds(deadline), is_read=False)

    def reserve(self, request: nm.ReserveNumbersRequest, deadline: float | None = None) -> Result[nm.NumbersResponse]:
        """Reserve numbers for an account."""
        return self._call(self._stub.Reserve, request, self._seconds(deadline), is_read=False)

    def move(self, request: nm.MoveNumbersRequest, deadline: float | None = None) -> Result[nm.NumbersResponse]:
        """Put numbers in service on an account."""
        return self._call(self._stub.Move, request, self._seconds(deadline), is_read=False)

    def release(self, request: nm.ReleaseNumbersRequest, deadline: float | None = None) -> Result[nm.NumbersResponse]:
        """Release numbers."""
        return self._call(self._stub.Release, request, self._seconds(deadline), is_read=False)

    def delete(self, request: nm.DeleteNumbersRequest, deadline: float | None = None) -> Result[nm.NumbersResponse]:
        """Delete numbers' documents."""
        return self._call(self._stub.Delete, request, self._seconds(deadline), is_read=False)

    def update(self, request: nm.UpdateNumbersRequest, deadline: float | None = None) -> Result[nm.NumbersResponse]:
        """Change numbers' public fields."""
        return self._call(self._stub.Update, request, self._seconds(deadline), is_read=False)

    def assign_to_app(
        self, request: nm.AssignToAppRequest, deadline: float | None = None
    ) -> Result[nm.NumbersResponse]:
        """Set the application that uses numbers."""
        return self._call(self._stub.AssignToApp, request, self._seconds(deadline), is_read=False)


class AsyncNumbers:
    """The number manager for asyncio: `AsyncClient.numbers`."""

    def __init__(self, call: AsyncCall, stub: NumberManagerAsyncStub, deadline: float) -> None:
        self._call = call
        self._stub = stub
        self._deadline = deadline

    def _seconds(self, deadline: float | None) -> float:
        return self._deadline if deadline is None else deadline

    async def get(self, request: nm.GetNumbersRequest, deadline: float | None = None) -> Result[nm.NumbersResponse]:
        """Return the numbers' documents."""
        return await self._call(self._stub.Get, request, self._seconds(deadline), is_read=True)

    async def list_by_account(
        self, request: nm.ListByAccountRequest, deadline: float | None = None
    ) -> Result[nm.ListByAccountResponse]:
        """Return a page of an account's numbers."""
        return await self._call(self._stub.ListByAccount, request, self._seconds(deadline), is_read=True)

    async def history(self, request: nm.HistoryRequest, deadline: float | None = None) -> Result[nm.HistoryResponse]:
        """Return the accounts that owned and reserved numbers."""
        return await self._call(self._stub.History, request, self._seconds(deadline), is_read=True)

    async def create(
        self, request: nm.CreateNumbersRequest, deadline: float | None = None
    ) -> Result[nm.NumbersResponse]:
        """Create numbers."""
        return await self._call(self._stub.Create, request, self._seconds(deadline), is_read=False)

    async def reserve(
        self, request: nm.ReserveNumbersRequest, deadline: float | None = None
    ) -> Result[nm.NumbersResponse]:
        """Reserve numbers for an account."""
        return await self._call(self._stub.Reserve, request, self._seconds(deadline), is_read=False)

    async def move(self, request: nm.MoveNumbersRequest, deadline: float | None = None) -> Result[nm.NumbersResponse]:
        """Put numbers in service on an account."""
        return await self._call(self._stub.Move, request, self._seconds(deadline), is_read=False)

    async def release(
        self, request: nm.ReleaseNumbersRequest, deadline: float | None = None
    ) -> Result[nm.NumbersResponse]:
        """Release numbers."""
        return await self._call(self._stub.Release, request, self._seconds(deadline), is_read=False)

    async def delete(
        self, request: nm.DeleteNumbersRequest, deadline: float | None = None
    ) -> Result[nm.NumbersResponse]:
        """Delete numbers' documents."""
        return await self._call(self._stub.Delete, request, self._seconds(deadline), is_read=False)

    async def update(
        self, request: nm.UpdateNumbersRequest, deadline: float | None = None
    ) -> Result[nm.NumbersResponse]:
        """Change numbers' public fields."""
        return await self._call(self._stub.Update, request, self._seconds(deadline), is_read=False)

    async def assign_to_app(
        self, request: nm.AssignToAppRequest, deadline: float | None = None
    ) -> Result[nm.NumbersResponse]:
        """Set the application that uses numbers."""
        return await self._call(self._stub.AssignToApp, request, self._seconds(deadline), is_read=False)
