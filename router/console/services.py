"""Calls the services over gRPC with the visitor's token, by `router.client`."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import grpc
from google.protobuf.message import Message
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from router.client import Client, Options, Result, Tls
from router.client.results import failed
from router.v1 import inbound_pb2 as inbound
from router.v1 import numbers_pb2 as numbers

SYSTEM = "system"
PAGE_SIZE = 1000
"""Numbers in one page of the number manager: its maximum."""

_TIMEOUT = 5.0
"""Seconds for one call: as long as `did-router explain` waits."""
_LISTING_TIMEOUT = 20.0
"""Seconds for a page of an account's numbers; a thorough one reads every number database."""
_SILENT = "DEADLINE_EXCEEDED"
_OPTIONS = Options(explain_deadline=_TIMEOUT, manager_deadline=_TIMEOUT)

T = TypeVar("T", bound=Message)


class ServiceError(Exception):
    """A call that a service refused, or that none answered; the message is for people.

    Attributes:
        code: gRPC's name of the status.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    @property
    def is_unknown_token(self) -> bool:
        """The service does not know this token, or not any more."""
        return self.code == grpc.StatusCode.UNAUTHENTICATED.name

    @property
    def is_forbidden(self) -> bool:
        """The token is known, and does not allow this."""
        return self.code == grpc.StatusCode.PERMISSION_DENIED.name


@dataclass(frozen=True, slots=True)
class NumberPage:
    """A page of an account's numbers; `next` is empty on the last one."""

    numbers: Sequence[numbers.NumberRecord]
    next: str


class Services:
    """Some services, of which the first that answers is asked; thread-safe.

    Args:
        targets: their addresses.
        tls: None: no TLS.
    """

    def __init__(self, targets: Sequence[str], tls: Tls | None) -> None:
        self.targets = targets
        self._clients = [Client(target, tls=tls, options=_OPTIONS) for target in targets]

    def close(self) -> None:
        """Close the connections."""
        for client in self._clients:
            client.close()

    def check_token(self, token: str) -> None:
        """Return where the services know the token, whatever its scope; an empty token is known where none is needed.

        Raises:
            ServiceError: they don't, or none answers.
        """
        self._ask(token, _list_services)

    def explain(self, token: str, number: str, dial_plan: str, *, authoritative: bool) -> inbound.ExplainResponse:
        """Return why a number routes where it does.

        Args:
            authoritative: the answer is read past the caches.

        Raises:
            ServiceError: a service refuses, or none answers.
        """
        return self._ask(token, lambda client: client.explain(number, dial_plan, authoritative=authoritative))

    def number(self, token: str, number: str, auth_by: str) -> numbers.NumberResult:
        """Return a number's document with its compared copies, or the number manager's error.

        Args:
            auth_by: the account that asks, or `system`.

        Raises:
            ServiceError: a service refuses, or none answers.
        """
        request = numbers.GetNumbersRequest(numbers=[number], auth_by=auth_by, compare_copies=True)
        return self._ask(token, lambda client: client.numbers.get(request)).results[0]

    def numbers(self, token: str, account: str, auth_by: str, after: str, *, thorough: bool) -> NumberPage:
        """Return a page of an account's numbers after one.

        Args:
            thorough: read every number database instead of the account's own list.

        Raises:
            ServiceError: a service refuses, or none answers.
        """
        request = numbers.ListByAccountRequest(
            account_id=account, auth_by=auth_by, page_size=PAGE_SIZE, page_token=after, thorough=thorough
        )
        response = self._ask(token, lambda client: client.numbers.list_by_account(request, _LISTING_TIMEOUT))
        return NumberPage(response.numbers, response.next_page_token)

    def _ask(self, token: str, call: Callable[[Client], Result[T]]) -> T:
        result: Result[T] = Result()
        for client in self._clients:
            result = call(client.with_token(token or None))
            if result.value is not None:
                return result.value
            if result.is_reachable and result.status != _SILENT:
                break
        raise self._error(result)

    def _error(self, result: Result[Any]) -> ServiceError:
        if result.status == "UNAVAILABLE" and not result.is_reachable:
            message = f"no service answers at {', '.join(self.targets)}: {result.message}"
            return ServiceError(result.status, message)
        return ServiceError(result.status, result.message or result.status)


def _list_services(client: Client) -> Result[reflection_pb2.ServerReflectionResponse]:
    """Ask for what a token of any scope may: the names of the services."""
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    stub: Any = reflection_pb2_grpc.ServerReflectionStub(client.channel)
    try:
        stream = stub.ServerReflectionInfo(iter([request]), timeout=_TIMEOUT, metadata=client.metadata)
        return Result(next(iter(stream)))
    except grpc.RpcError as error:
        return failed(error)


def all_numbers(page: Callable[[str], NumberPage], after: str) -> Iterator[tuple[numbers.NumberRecord, str]]:
    """Yield every number after one, page after page, each with the token that continues behind it."""
    while True:
        found = page(after)
        for record in found.numbers:
            yield record, record.number
        if not found.next:
            return
        after = found.next
