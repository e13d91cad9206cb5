"""Calls the services over gRPC with the visitor's token. The only module of the console that knows the stubs."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from router.v1 import inbound_pb2 as inbound
from router.v1 import numbers_pb2 as numbers
from router.v1.inbound_pb2_grpc import InboundRouterStub
from router.v1.numbers_pb2_grpc import NumberManagerStub

SYSTEM = "system"
PAGE_SIZE = 1000
"""Numbers in one page of the number manager: its maximum."""

_TIMEOUT = 5.0
"""Seconds for one call: as long as `did-router explain` waits."""
_LISTING_TIMEOUT = 20.0
"""Seconds for a page of an account's numbers; a thorough one reads every number database."""
_OPTIONS = (("grpc.max_reconnect_backoff_ms", 1000), ("grpc.keepalive_time_ms", 30_000))
"""A service that is back is called again within a second."""

T = TypeVar("T")


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
        credentials: for TLS; None: no TLS.
    """

    def __init__(self, targets: Sequence[str], credentials: grpc.ChannelCredentials | None) -> None:
        self.targets = targets
        self._channels = [_open(target, credentials) for target in targets]

    def close(self) -> None:
        """Close the connections."""
        for channel in self._channels:
            channel.close()

    def check_token(self, token: str) -> None:
        """Return where the services know the token, whatever its scope; an empty token is known where none is needed.

        Raises:
            ServiceError: they don't, or none answers.
        """

        def ask(channel: grpc.Channel) -> None:
            request = reflection_pb2.ServerReflectionRequest(list_services="")
            stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)
            for _ in stub.ServerReflectionInfo(iter([request]), timeout=_TIMEOUT, metadata=_metadata(token)):
                return

        self._ask(ask)

    def explain(self, token: str, number: str, dial_plan: str, *, authoritative: bool) -> inbound.ExplainResponse:
        """Return why a number routes where it does.

        Args:
            authoritative: the answer is read past the caches.

        Raises:
            ServiceError: a service refuses, or none answers.
        """
        consistency = inbound.AUTHORITATIVE if authoritative else inbound.CACHED
        lookup = inbound.LookupRequest(number=number, dial_plan=dial_plan, consistency=consistency)
        request = inbound.ExplainRequest(lookup=lookup)
        return self._ask(
            lambda channel: InboundRouterStub(channel).Explain(request, timeout=_TIMEOUT, metadata=_metadata(token))
        )

    def number(self, token: str, number: str, auth_by: str) -> numbers.NumberResult:
        """Return a number's document, or the number manager's error.

        Args:
            auth_by: the account that asks, or `system`.

        Raises:
            ServiceError: a service refuses, or none answers.
        """
        request = numbers.GetNumbersRequest(numbers=[number], auth_by=auth_by)
        response = self._ask(
            lambda channel: NumberManagerStub(channel).Get(request, timeout=_TIMEOUT, metadata=_metadata(token))
        )
        return response.results[0]

    def numbers(
        self, token: str, account: str, auth_by: str, after: str, *, thorough: bool, page_size: int = PAGE_SIZE
    ) -> NumberPage:
        """Return a page of an account's numbers after one.

        Args:
            thorough: read every number database instead of the account's own list.

        Raises:
            ServiceError: a service refuses, or none answers.
        """
        request = numbers.ListByAccountRequest(
            account_id=account, auth_by=auth_by, page_size=page_size, page_token=after, thorough=thorough
        )
        response = self._ask(
            lambda channel: NumberManagerStub(channel).ListByAccount(
                request, timeout=_LISTING_TIMEOUT, metadata=_metadata(token)
            )
        )
        return NumberPage(response.numbers, response.next_page_token)

    def _ask(self, call: Callable[[grpc.Channel], T]) -> T:
        problem: Any = None
        for channel in self._channels:
            try:
                return call(channel)
            except grpc.RpcError as failure:
                problem = failure
                if problem.code() != grpc.StatusCode.UNAVAILABLE:
                    break
        raise self._error(problem)

    def _error(self, problem: Any) -> ServiceError:
        code, details = problem.code(), problem.details() or ""
        if code == grpc.StatusCode.UNAVAILABLE and not details.startswith("CouchDB"):
            details = f"no service answers at {', '.join(self.targets)}: {details}"
        return ServiceError(code.name, details or code.name)


def all_numbers(page: Callable[[str], NumberPage], after: str) -> Iterator[tuple[numbers.NumberRecord, str]]:
    """Yield every number after one, page after page, each with the token that continues behind it."""
    while True:
        found = page(after)
        for record in found.numbers:
            yield record, record.number
        if not found.next:
            return
        after = found.next


def _open(target: str, credentials: grpc.ChannelCredentials | None) -> grpc.Channel:
    if credentials is None:
        return grpc.insecure_channel(target, _OPTIONS)
    return grpc.secure_channel(target, credentials, _OPTIONS)


def _metadata(token: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {token}"),) if token else ()
