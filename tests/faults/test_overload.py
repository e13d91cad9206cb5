"""More calls than can be answered: those that are taken keep their deadlines, the rest is refused at once."""

import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import grpc
import pytest

from router.server.calls import native
from router.v1.inbound_pb2_grpc import InboundRouterStub
from tests.cli.command import SERVE, Process, Running, children_of, serving
from tests.integration.conftest import StartService
from tests.integration.lookup_client import Refusal, outcome, request
from tests.integration.real_stores import NUMBER, ONE, RealStores
from tests.integration.relay import Relay
from tests.processes import freeze, thaw
from tests.support.waiting import eventually

CONNECTIONS, CALLS = 4, 2000
REFUSED = (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")


@pytest.fixture
def running(stores: RealStores) -> Iterator[Running]:
    """One worker that lets few calls wait."""
    if not native.is_installed():
        pytest.skip("pip install 'did-router[native]'")
    stores.number()
    few = ("--set", "batch_size=16", "--set", "max_queued_calls=32", "--transport", "native")
    process = Process(*SERVE, *stores.options, *few, "--with-follower")
    try:
        made = serving(process)
        process.wait_for("readiness: ready:")
        yield made
    finally:
        process.end(signal.SIGTERM)


def test_native_refuses_what_it_cannot_answer_in_time_at_once(running: Running) -> None:
    """A worker that was frozen finds more calls than it lets wait, and is itself again a moment later."""
    with ExitStack() as stack:
        alone = [("grpc.use_local_subchannel_pool", 1)]
        channels = [
            stack.enter_context(grpc.insecure_channel(running.target, options=alone)) for _ in range(CONNECTIONS)
        ]
        stubs = [InboundRouterStub(channel) for channel in channels]
        for stub in stubs:
            assert stub.Lookup(request(NUMBER), timeout=5).account_id == ONE
        # The follower, and what looks after shared things, may freeze with it.
        children = children_of(running.process.popen.pid)
        for child in children:
            freeze(child)
        calls = [stubs[index % CONNECTIONS].Lookup.future(request(NUMBER), timeout=20) for index in range(CALLS)]
        time.sleep(0.5)
        for child in children:
            thaw(child)
        seen = Counter(_what(outcome(call)) for call in calls)
        assert stubs[0].Lookup(request(NUMBER), timeout=5).account_id == ONE
    assert set(seen) == {ONE, REFUSED}
    assert seen[ONE] >= 16
    assert seen[REFUSED] >= 100
    labels = 'protocol="grpc",reason="OVERLOADED",result="failed",source="none",worker="worker-0"'
    assert f"did_router_lookups_total{{{labels}}} {float(seen[REFUSED])}" in running.page("/metrics")


@pytest.mark.parametrize("transport", ["grpcio"], indirect=True)
def test_grpcio_refuses_more_calls_than_may_wait(stores: RealStores, start_service: StartService) -> None:
    with Relay(stores.couchdb_url) as relay:
        stores.couchdb_url = relay.url
        running = start_service(max_queued_calls=10, couchdb_read_timeout=30)
        running.caller.account("+14150000001")
        relay.hold(lambda _, target: target.startswith("/numbers/"))
        calls = [running.caller.begin(f"+1415000{index:04}") for index in range(100, 130)]
        eventually(lambda: sum(call.done() for call in calls) == 20)
        refused = [outcome(call) for call in calls if call.done()]
        relay.release()
        seen = Counter(_what(outcome(call)) for call in calls)
    assert {_what(each) for each in refused} == {REFUSED}
    assert all(isinstance(each, Refusal) and each.retry_after for each in refused)
    assert seen == {REFUSED: 20, (grpc.StatusCode.NOT_FOUND, "NUMBER_NOT_FOUND"): 10}


def _what(reported: Any) -> Any:
    return (reported.code, reported.reason) if isinstance(reported, Refusal) else reported.account_id
