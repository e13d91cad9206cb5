"""A service that fails as it is told to, and counts what it receives."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc.code_pb2 import UNAVAILABLE
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

from router.v1 import inbound_pb2 as pb
from router.v1 import numbers_pb2 as nm
from router.v1.inbound_pb2_grpc import InboundRouterServicer, add_InboundRouterServicer_to_server
from router.v1.numbers_pb2_grpc import NumberManagerServicer, add_NumberManagerServicer_to_server


class FakeService(InboundRouterServicer, NumberManagerServicer):
    """Refuses the first `failures` calls of each method.

    Attributes:
        with_reason: refuses as a did-router whose database is away, else as a connection that fails.
        calls: received, by method.
        tokens: received.
    """

    def __init__(self) -> None:
        self.failures = 0
        self.with_reason = False
        self.calls: Counter[str] = Counter()
        self.tokens: list[str] = []
        self.target = ""

    def _receive(self, method: str, context: grpc.ServicerContext) -> None:
        self.calls[method] += 1
        self.tokens += [str(value) for name, value in context.invocation_metadata() or () if name == "authorization"]
        if self.calls[method] <= self.failures:
            if self.with_reason:
                context.abort_with_status(_database_unavailable())
            context.abort(grpc.StatusCode.UNAVAILABLE, "going away")

    def Lookup(self, request: pb.LookupRequest, context: Any) -> pb.LookupResponse:  # noqa: N802 - gRPC's name
        self._receive("Lookup", context)
        return pb.LookupResponse(number=request.number, account_id="a")

    def LookupBatch(self, request: pb.LookupBatchRequest, context: Any) -> pb.LookupBatchResponse:  # noqa: N802
        self._receive("LookupBatch", context)
        outcomes = [pb.LookupOutcome(route=pb.LookupResponse(number=each.number)) for each in request.lookups]
        if outcomes:
            refusal = pb.Refusal(reason=pb.NOT_IN_SERVICE, number=outcomes[0].route.number, state="aging")
            outcomes[0] = pb.LookupOutcome(refusal=refusal)
        return pb.LookupBatchResponse(outcomes=outcomes)

    def LookupStream(self, requests: Iterator[pb.LookupStreamRequest], context: Any) -> Any:  # noqa: N802
        """Answer three requests at a time, the last first."""
        self._receive("LookupStream", context)
        waiting = []
        for each in requests:
            if each.lookup.number == "break":
                context.abort(grpc.StatusCode.UNAVAILABLE, "going away")
            waiting.append(each)
            if len(waiting) == 3:
                yield from map(_streamed, reversed(waiting))
                waiting = []
        yield from map(_streamed, reversed(waiting))

    def Create(self, request: nm.CreateNumbersRequest, context: Any) -> nm.NumbersResponse:  # noqa: N802
        self._receive("Create", context)
        return nm.NumbersResponse(results=[nm.NumberResult(number=each) for each in request.numbers])

    def Get(self, request: nm.GetNumbersRequest, context: Any) -> nm.NumbersResponse:  # noqa: N802
        self._receive("Get", context)
        return nm.NumbersResponse(results=[nm.NumberResult(number=each) for each in request.numbers])


def _streamed(request: pb.LookupStreamRequest) -> pb.LookupStreamResponse:
    outcome = pb.LookupOutcome(route=pb.LookupResponse(number=request.lookup.number))
    if request.lookup.number == "aging":
        outcome = pb.LookupOutcome(refusal=pb.Refusal(reason=pb.NOT_IN_SERVICE, state="aging"))
    return pb.LookupStreamResponse(id=request.id, outcome=outcome)


def _database_unavailable() -> Any:
    details = []
    for each in (
        ErrorInfo(reason="NUMBER_DATABASE_UNAVAILABLE", domain="did-router", metadata={"number": "+1"}),
        RetryInfo(retry_delay=Duration(seconds=1, nanos=500_000_000)),
    ):
        packed = AnyMessage()
        packed.Pack(each)
        details.append(packed)
    return rpc_status.to_status(Status(code=UNAVAILABLE, message="no database", details=details))


@pytest.fixture
def fake() -> Iterator[FakeService]:
    """The service; its address is `fake.target`."""
    made = FakeService()  # type: ignore[abstract] # the generated bases answer UNIMPLEMENTED
    server = grpc.server(ThreadPoolExecutor(4))
    add_InboundRouterServicer_to_server(made, server)
    add_NumberManagerServicer_to_server(made, server)
    made.target = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    yield made
    server.stop(None).wait()
