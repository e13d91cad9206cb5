"""Serves the number manager over gRPC: checks requests, and runs the work in a bounded thread pool."""

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
from router.manager.account_numbers import BUDGET
from router.manager.manager import NumberManager
from router.manager.outcomes import Outcome
from router.numbers.routes import Reason
from router.runtime.json_messages import json_fields
from router.server.api import number_messages as messages
from router.server.auth.auth_by import AuthByCheck, AuthByDeniedError
from router.server.auth.authorizer import Authorizer
from router.server.failure import Failure, failure
from router.v1 import numbers_pb2 as pb
from router.v1.numbers_pb2_grpc import NumberManagerServicer

MAX_NUMBERS = 1000
"""Maximum of numbers in one request, and in one page."""
_DEFAULT_PAGE_SIZE = 100
_QUEUED_PER_THREAD = 16
"""Calls that may wait for each thread; more are refused."""

Context = grpc.aio.ServicerContext[Any, Any]
T = TypeVar("T")


class _NumbersRequest(Protocol):
    """The fields of every request that names numbers."""

    @property
    def numbers(self) -> Sequence[str]: ...
    @property
    def auth_by(self) -> str: ...


class BadRequestError(Exception):
    """The request is invalid; the message says what to send instead."""


class NumbersServicer(NumberManagerServicer):
    """Serves router.v1.NumberManager in the event loop; threads do the work.

    Args:
        threads: calls that run at a time.
        authorizer: checks which `auth_by` a caller's token may name; None where any caller may name any.
    """

    def __init__(self, manager: NumberManager, *, threads: int, authorizer: Authorizer | None = None) -> None:
        self._manager = manager
        self._auth_by = AuthByCheck(authorizer, manager)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="numbers-servicer")
        self._max_calls = threads * (1 + _QUEUED_PER_THREAD)
        self._running = 0

    def stop(self) -> None:
        """Finish running calls, and start no queued one."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def Get(self, request: pb.GetNumbersRequest, context: Context) -> pb.NumbersResponse:  # noqa: N802, D102
        outcomes = await self._outcomes(request, context, Operation.GET)
        if not request.compare_copies:
            return messages.results(outcomes)
        documents = [outcome.document for outcome in outcomes if outcome.document is not None]
        copies = await self._work(context, request.auth_by, lambda: self._manager.compare_copies(documents))
        return messages.results(outcomes, copies)

    async def Create(self, request: pb.CreateNumbersRequest, context: Context) -> pb.NumbersResponse:  # noqa: N802, D102
        return await self._results(
            request,
            context,
            Operation.CREATE,
            assign_to=request.assign_to or None,
            state=request.state or None,
            module_name=request.module_name or None,
            public_fields=json_fields(request.public_fields),
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
            public_fields=json_fields(request.public_fields),
            mdn_run=request.mdn_run,
            dry_run=request.dry_run,
        )

    async def Move(self, request: pb.MoveNumbersRequest, context: Context) -> pb.NumbersResponse:  # noqa: N802, D102
        return await self._results(
            request,
            context,
            Operation.MOVE,
            assign_to=request.assign_to or None,
            public_fields=json_fields(request.public_fields),
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
            public_fields=json_fields(request.public_fields),
            merge=not request.replace,
            mdn_run=request.mdn_run,
            dry_run=request.dry_run,
        )

    async def AssignToApp(self, request: pb.AssignToAppRequest, context: Context) -> pb.NumbersResponse:  # noqa: N802, D102
        return await self._results(
            request, context, Operation.ASSIGN_TO_APP, used_by=request.used_by or None, dry_run=request.dry_run
        )

    async def History(self, request: pb.HistoryRequest, context: Context) -> pb.HistoryResponse:  # noqa: N802, D102
        return messages.histories(await self._outcomes(request, context, Operation.GET))

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
            message = (
                f"{request.auth_by} may not list the numbers of {request.account_id}: "
                "ask as that account, as one above it, or as system"
            )
            await _abort(context, grpc.StatusCode.PERMISSION_DENIED, refusal.error, message)
        return pb.ListByAccountResponse(
            numbers=[messages.record(document) for document in page.numbers], next_page_token=page.next
        )

    async def _results(
        self, request: _NumbersRequest, context: Context, operation: Operation, **more: Any
    ) -> pb.NumbersResponse:
        return messages.results(await self._outcomes(request, context, operation, **more))

    async def _outcomes(
        self, request: _NumbersRequest, context: Context, operation: Operation, **more: Any
    ) -> list[Outcome]:
        try:
            _check(request)
        except BadRequestError as problem:
            await _abort(context, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_ARGUMENT", str(problem))
        operations = [OperationRequest(operation, number, request.auth_by, **more) for number in request.numbers]
        outcomes = await self._work(context, request.auth_by, lambda: self._manager.carry_out(operations))
        if all(outcome.error is not None and outcome.error.cause == errors.UNAVAILABLE for outcome in outcomes):
            await _unavailable(context, outcomes[0].error.message if outcomes[0].error else "")
        return outcomes

    async def _work(self, context: Context, auth_by: str, act: Callable[[], T]) -> T:
        """Run `act` in a thread, to its end, even when the caller stops waiting.

        Every method calls this, so that none acts for an `auth_by` that the token may not name.
        """
        if self._running >= self._max_calls:
            message = f"{self._running} calls of the number manager are waiting already: try again in a moment"
            await _abort(context, grpc.StatusCode.RESOURCE_EXHAUSTED, "NUMBER_MANAGER_BUSY", message, retryable=True)
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
            message = "the caller's deadline was over before it was begun: nothing was changed"
            await _abort(context, grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED", message)
        except AuthByDeniedError as problem:
            await _fail(context, problem.failure)
        except CouchError as problem:
            await _unavailable(context, str(problem))
        finally:
            self._running -= 1


def _check(request: _NumbersRequest) -> None:
    count = len(request.numbers)
    if not count:
        raise BadRequestError(f"numbers is empty: name 1 to {MAX_NUMBERS} numbers, E.164 or as they are dialled")
    if count > MAX_NUMBERS:
        raise BadRequestError(f"{count} numbers in a request, at most {MAX_NUMBERS}: send several requests")
    _check_auth_by(request.auth_by)


def _check_auth_by(auth_by: str) -> None:
    if not auth_by:
        raise BadRequestError("auth_by is empty: say who asks, an account id or 'system'")


def _page_size(request: pb.ListByAccountRequest) -> int:
    _check_auth_by(request.auth_by)
    if not request.account_id:
        raise BadRequestError("account_id is empty: say whose numbers")
    if not 0 <= request.page_size <= MAX_NUMBERS:
        raise BadRequestError(
            f"page_size is {request.page_size}: use 1 to {MAX_NUMBERS}, or 0 for {_DEFAULT_PAGE_SIZE}"
        )
    if request.page_token and not request.page_token.startswith("+"):
        raise BadRequestError(
            "page_token is none: send next_page_token of the page before, or nothing for the first page"
        )
    return request.page_size or _DEFAULT_PAGE_SIZE


async def _unavailable(context: Context, message: str) -> NoReturn:
    reason = Reason.NUMBER_DATABASE_UNAVAILABLE.value
    await _abort(context, grpc.StatusCode.UNAVAILABLE, reason, message, retryable=True)


async def _abort(
    context: Context, code: grpc.StatusCode, reason: str, message: str, *, retryable: bool = False
) -> NoReturn:
    """End the call with a status that says what to do."""
    await _fail(context, failure(code, reason, message, retryable=retryable))


async def _fail(context: Context, status: Failure) -> NoReturn:
    await context.abort(status.code, status.message, tuple(status.trailing))
    raise AssertionError  # abort raises
