"""A switch: asks over gRPC, and keeps what it was told."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import grpc
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_status import rpc_status

from router.v1 import inbound_pb2 as pb
from router.v1 import inbound_pb2_grpc

PATIENCE = 20.0


@dataclass(frozen=True)
class Refusal:
    """A status with what google.rpc.ErrorInfo and RetryInfo say."""

    code: grpc.StatusCode
    message: str
    reason: str = ""
    domain: str = ""
    pairs: tuple[tuple[str, str], ...] = ()
    retry_after: float | None = None

    @property
    def metadata(self) -> dict[str, str]:
        return dict(self.pairs)


class LookupClient:
    """One channel to one service."""

    def __init__(self, port: int) -> None:
        self.channel = grpc.insecure_channel(f"127.0.0.1:{port}")
        self.stub = inbound_pb2_grpc.InboundRouterStub(self.channel)
        self._health: Any = health_pb2_grpc.HealthStub(self.channel)

    def ask(
        self, number: str, *, dial_plan: str = "", authoritative: bool = False, timeout: float | None = PATIENCE
    ) -> pb.LookupResponse | Refusal:
        """One lookup."""
        asked = request(number, dial_plan, authoritative=authoritative)
        return result_of(lambda: self.stub.Lookup(asked, timeout=timeout))

    def begin(
        self, number: str, *, dial_plan: str = "", authoritative: bool = False, timeout: float | None = PATIENCE
    ) -> Any:
        """One lookup whose answer is waited for later."""
        return self.stub.Lookup.future(request(number, dial_plan, authoritative=authoritative), timeout=timeout)

    def route(self, number: str, **more: Any) -> pb.LookupResponse:
        """One lookup that has to route."""
        printed = self.ask(number, **more)
        assert isinstance(printed, pb.LookupResponse), printed
        return printed

    def refusal(self, number: str, **more: Any) -> Refusal:
        """One lookup that has to be refused."""
        printed = self.ask(number, **more)
        assert isinstance(printed, Refusal), printed
        return printed

    def account(self, number: str, **more: Any) -> str:
        """The account that a number routes to, or the reason why it does not."""
        printed = self.ask(number, **more)
        return printed.account_id if isinstance(printed, pb.LookupResponse) else printed.reason or printed.code.name

    def batch(self, numbers: Iterable[str], **more: Any) -> list[pb.LookupOutcome]:
        """Many at once."""
        asked = pb.LookupBatchRequest(lookups=[request(number, **more) for number in numbers])
        return list(self.stub.LookupBatch(asked, timeout=PATIENCE).outcomes)

    def stream(self, asked: Iterable[tuple[str, str]]) -> Iterator[pb.LookupStreamResponse]:
        """Many over one stream, each with its own id."""
        requests = (pb.LookupStreamRequest(id=name, lookup=request(number)) for name, number in asked)
        return iter(self.stub.LookupStream(requests, timeout=PATIENCE))

    def explain(self, number: str, **more: Any) -> pb.ExplainResponse:
        """Why."""
        return self.stub.Explain(pb.ExplainRequest(lookup=request(number, **more)), timeout=PATIENCE)

    def health(self, service: str = "") -> str:
        """Return the health that a load balancer gets."""
        try:
            printed = self._health.Check(health_pb2.HealthCheckRequest(service=service), timeout=PATIENCE)
        except grpc.RpcError as problem:
            return str(problem.code().name)
        return str(health_pb2.HealthCheckResponse.ServingStatus.Name(printed.status))

    def close(self) -> None:
        """Hang up."""
        self.channel.close()


def request(number: str, dial_plan: str = "", *, authoritative: bool = False) -> pb.LookupRequest:
    """A lookup."""
    consistency = pb.AUTHORITATIVE if authoritative else pb.CACHED
    return pb.LookupRequest(number=number, dial_plan=dial_plan, consistency=consistency)


def outcome(future: Any) -> pb.LookupResponse | Refusal:
    """Return the result of a lookup that was begun."""
    return result_of(future.result)


def result_of(call: Callable[[], Any]) -> pb.LookupResponse | Refusal:
    """Return the result of a lookup; one that blocks costs a fraction of the time that one with a future costs."""
    try:
        printed = call()
    except grpc.RpcError as problem:
        return _refusal(problem)
    assert isinstance(printed, pb.LookupResponse)
    return printed


def _refusal(problem: Any) -> Refusal:
    status = rpc_status.from_call(problem)
    info, retry = ErrorInfo(), None
    for detail in status.details if status is not None else ():
        if detail.Is(RetryInfo.DESCRIPTOR):
            waits = RetryInfo()
            detail.Unpack(waits)
            retry = waits.retry_delay.seconds + waits.retry_delay.nanos / 1e9
        else:
            detail.Unpack(info)
    metadata = tuple(sorted(info.metadata.items()))
    return Refusal(problem.code(), problem.details() or "", info.reason, info.domain, metadata, retry)
