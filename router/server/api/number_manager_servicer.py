"""The number manager over gRPC: requests checked here, the work done by the manager in a bounded pool of threads."""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NoReturn, Protocol, TypeVar

import grpc

from router.couch.errors import CouchError
from router.lifecycle import errors
from router.lifecycle.errors import NumberError
from router.lifecycle.operations import Operation, OperationRequest
from router.manager.listing import BUDGET
from router.manager.manager import NumberManager
from router.manager.outcomes import Outcome
from router.numbers.routes import Reason
from router.server.api import number_messages as wire
from router.server.api.status import failure
from router.server.auth.auth_by import AuthByCheck, AuthByDeniedError
from router.server.auth.authorizer import Authorizer
from router.server.calls.call_source import Failure
from router.v1 import numbers_pb2 as pb
from router.v1.numbers_pb2_grpc import NumberManagerServicer

MOST = 1000
"""Numbers in one request, and in one page."""
_USUAL_PAGE = 100
_WAITING = 16
"""Calls that may wait for each thread before further ones are refused."""

Context = grpc.aio.ServicerContext[Any, Any]
T = TypeVar("T")


class _Asking(Protocol):
    """What every request has that names numbers."""

    @property
    def numbers(self) -> Sequence[str]: ...
    @property
    def auth_by(self) -> str: ...


class BadRequestError(Exception):
    """A request that can't be worked on; the message says what to send instead."""


class NumbersServicer(NumberManagerServicer):
    """Serves router.v1.NumberManager inside the event loop; the work is done in threads.

    Args:
        threads: calls worked on at a time.
        authorizer: knows which `auth_by` a caller's token may name; None where any caller may name any.
    """

    def __init__(self, manager: NumberManager, *, threads: int, authorizer: Authorizer | None = None) -> None:
        self._manager = manager
        self._auth_by = AuthByCheck(authorizer, manager)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="numbers-servicer")
        self._most = threads * (1 + _WAITING)
        self._running = 0

    def stop(self) -> None:
        """Let running calls end; nothing new is begun."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def Get(self, request: pb.GetNumbersRequest, context: Context) -> pb.NumbersResponse:  # noqa: N802, D102
        return await self._results(request, context, Operation.GET)

    async def Create(self, request: pb.CreateNumbersRequest, context: Context) -> pb.NumbersResponse:  # noqa: N802, D102
        return await self._results(
            request,
            context,
            Operation.CREATE,
            assign_to=request.assign_to or None,
            state=request.state or None,
            module_name=request.module_name or None,
            public_fields=wire.plain(request.public_fields),
            ported_in=request.ported_in,
            mdn_run=request.mdn_run,
            dry_run=request.dry_run,
        )

    async def Reserve(self, request: pb.ReserveNumbersRequest, context: Context) -> pb.NumbersResponse:  # noqa: N802, D102
        return await self._results(
            request,
            context,
            Operation.RESERVE,
            assign_to=request.assign_to or None,
            public_fields=wire.plain(request.public_fields),
            mdn_run=request.mdn_run,
            dry_run=request.dry_run,
        )

    async def Move(self, request: pb.MoveNumbersRequest, context: Context) -> pb.NumbersResponse:  # noqa: N802, D102
        return await self._results(
            request,
            context,
            Operation.MOVE,
            assign_to=request.assign_to or None,
            public_fields=wire.plain(request.public_fields),
            mdn_run=request.mdn_run,
            dry_run=request.dry_run,
        )

    async def Release(self, request: pb.ReleaseNumbersRequest, context: Context) -> pb.NumbersResponse:  # noqa: N802, D102
        return await self._results(
            request, context, Operation.RELEASE, mdn_run=request.mdn_run, dry_run=request.dry_run
        )

    async def Delete(self, request: pb.DeleteNumbersRequest, context: Context) -> pb.NumbersResponse:  # noqa: N802, D102
        return await self._results(request, context, Operation.DELETE, dry_run=request.dry_run)

    async def Update(self, request: pb.UpdateNumbersRequest, context: Context) -> pb.NumbersResponse:  # noqa: N802, D102
        return await self._results(
            request,
            context,
            Operation.UPDATE,
            public_fields=wire.plain(request.public_fields),
            merge=not request.replace,
            mdn_run=request.mdn_run,
            dry_run=request.dry_run,
        )

    async def AssignToApp(self, request: pb.AssignToAppRequest, context: Context) -> pb.NumbersResponse:  # noqa: N802, D102
        return await self._results(
            request, context, Operation.ASSIGN_TO_APP, used_by=request.used_by or None, dry_run=request.dry_run
        )

    async def History(self, request: pb.HistoryRequest, context: Context) -> pb.HistoryResponse:  # noqa: N802, D102
        return wire.histories(await self._outcomes(request, context, Operation.GET))

    async def ListByAccount(  # noqa: N802, D102
        self, request: pb.ListByAccountRequest, context: Context
    ) -> pb.ListByAccountResponse:
        try:
            limit = _page_size(request)
        except BadRequestError as problem:
            await _abort(context, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_ARGUMENT", str(problem))
        remaining = context.time_remaining()
        budget = BUDGET if remaining is None else min(BUDGET, remaining / 2)
        try:
            page = await self._work(
                context,
                request.auth_by,
                lambda: self._manager.list_by_account(
                    request.account_id,
                    request.auth_by,
                    after=request.page_token,
                    limit=limit,
                    thorough=request.thorough,
                    budget=budget,
                ),
            )
        except NumberError as refusal:
            words = (
                f"{request.auth_by} may not list the numbers of {request.account_id}: "
                "ask as that account, as one above it, or as system"
            )
            await _abort(context, grpc.StatusCode.PERMISSION_DENIED, refusal.error, words)
        return pb.ListByAccountResponse(
            numbers=[wire.record(document) for document in page.numbers], next_page_token=page.next
        )

    async def _results(
        self, request: _Asking, context: Context, operation: Operation, **more: Any
    ) -> pb.NumbersResponse:
        return wire.results(await self._outcomes(request, context, operation, **more))

    async def _outcomes(self, request: _Asking, context: Context, operation: Operation, **more: Any) -> list[Outcome]:
        try:
            _check(request)
        except BadRequestError as problem:
            await _abort(context, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_ARGUMENT", str(problem))
        asks = [OperationRequest(operation, number, request.auth_by, **more) for number in request.numbers]
        outcomes = await self._work(context, request.auth_by, lambda: self._manager.carry_out(asks))
        if all(outcome.error is not None and outcome.error.cause == errors.UNAVAILABLE for outcome in outcomes):
            await _unavailable(context, outcomes[0].error.message if outcomes[0].error else "")
        return outcomes

    async def _work(self, context: Context, auth_by: str, act: Callable[[], T]) -> T:
        """Do it in a thread; what has begun is finished, whether or not the caller still waits.

        Every method's work comes through here, so that none can be done for an `auth_by` that the token may not name.
        """
        if self._running >= self._most:
            words = f"{self._running} calls of the number manager are waiting already: try again in a moment"
            await _abort(context, grpc.StatusCode.RESOURCE_EXHAUSTED, "NUMBER_MANAGER_BUSY", words, again=True)
        remaining = context.time_remaining()
        deadline = None if remaining is None else time.monotonic() + remaining
        metadata = context.invocation_metadata() or ()

        def begin() -> T:
            if deadline is not None and time.monotonic() >= deadline:
                raise TimeoutError
            self._auth_by.require(metadata, auth_by)
            return act()

        self._running += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, begin)
        except TimeoutError:
            words = "the caller's deadline was over before it was begun: nothing was changed"
            await _abort(context, grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED", words)
        except AuthByDeniedError as problem:
            await _fail(context, problem.failure)
        except CouchError as problem:
            await _unavailable(context, str(problem))
        finally:
            self._running -= 1


def _check(request: _Asking) -> None:
    count = len(request.numbers)
    if not count:
        raise BadRequestError(f"numbers is empty: name 1 to {MOST} numbers, E.164 or as they are dialled")
    if count > MOST:
        raise BadRequestError(f"{count} numbers in a request, at most {MOST}: send several requests")
    _check_auth_by(request.auth_by)


def _check_auth_by(auth_by: str) -> None:
    if not auth_by:
        raise BadRequestError("auth_by is empty: say who asks, an account id or 'system'")


def _page_size(request: pb.ListByAccountRequest) -> int:
    _check_auth_by(request.auth_by)
    if not request.account_id:
        raise BadRequestError("account_id is empty: say whose numbers")
    if not 0 <= request.page_size <= MOST:
        raise BadRequestError(f"page_size is {request.page_size}: use 1 to {MOST}, or 0 for {_USUAL_PAGE}")
    if request.page_token and not request.page_token.startswith("+"):
        raise BadRequestError(
            "page_token is none: send next_page_token of the page before, or nothing for the first page"
        )
    return request.page_size or _USUAL_PAGE


async def _unavailable(context: Context, words: str) -> NoReturn:
    reason = Reason.NUMBER_DATABASE_UNAVAILABLE.value
    await _abort(context, grpc.StatusCode.UNAVAILABLE, reason, words, again=True)


async def _abort(context: Context, code: grpc.StatusCode, reason: str, words: str, *, again: bool = False) -> NoReturn:
    """End the call with a status that says what to do."""
    await _fail(context, failure(code, reason, words, again=again))


async def _fail(context: Context, told: Failure) -> NoReturn:
    await context.abort(told.code, told.message, tuple(told.trailing))
    raise AssertionError  # abort raises
