"""A client that is gone without a word is let go; one that is there and asks for nothing is not disturbed."""

import queue
import time

import grpc
import pytest

from router.server.calls import call_source, grpcio_server, native
from router.v1 import inbound_pb2 as pb
from tests.abuse.wire import LOOKUP, PING, Connection
from tests.integration.conftest import BOTH_TRANSPORTS, StartService
from tests.integration.real_stores import NUMBER, ONE, RealStores

pytestmark = BOTH_TRANSPORTS

AFTER, TIME_LIMIT = 1.0, 0.5
"""Instead of a minute and twenty seconds."""


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    after, timeout = int(AFTER * 1000), int(TIME_LIMIT * 1000)
    times = {call_source.KEEPALIVE_TIME_MS: after, call_source.KEEPALIVE_TIMEOUT_MS: timeout}
    options = tuple((name, times.get(value, value)) for name, value in grpcio_server.OPTIONS)
    monkeypatch.setattr(grpcio_server, "OPTIONS", options)
    monkeypatch.setattr(native, "KEEPALIVE_TIME_MS", after)
    monkeypatch.setattr(native, "KEEPALIVE_TIMEOUT_MS", timeout)


ASKS = pb.LookupRequest(number=NUMBER).SerializeToString()
LONG = 2 * (AFTER + TIME_LIMIT)
"""Seconds in which two pings are sent, and in which one without an answer would have ended the connection."""


@pytest.mark.parametrize("answered", [True, False], ids=["answered pings before", "never did"])
def test_one_that_vanished_is_let_go(stores: RealStores, start_service: StartService, *, answered: bool) -> None:
    stores.number()
    port = start_service().service.transport.port
    with Connection(port) as client:
        client.answers_pings = answered
        client.greet().ask(1, LOOKUP, ASKS)
        assert client.wait_ended(1, 5)
        if answered:
            assert not client.closed.wait(LONG)
            client.answers_pings = False

        assert client.closed.wait(AFTER + TIME_LIMIT + 3)
        assert client.frames[PING] >= 1 + answered


def test_one_that_answers_pings_stays(stores: RealStores, start_service: StartService) -> None:
    stores.number()
    port = start_service().service.transport.port
    with Connection(port) as client:
        client.answers_pings = True
        client.greet().ask(1, LOOKUP, ASKS)
        assert not client.closed.wait(LONG)
        assert client.frames[PING] >= 2
        assert client.ask(3, LOOKUP, ASKS)
        assert client.wait_ended(2, 5)


def test_grpcio_answers_by_itself_with_and_without_a_call(stores: RealStores, start_service: StartService) -> None:
    stores.number()
    caller = start_service().caller
    assert caller.account(NUMBER) == ONE
    states: list[grpc.ChannelConnectivity] = []
    caller.channel.subscribe(states.append)
    time.sleep(LONG)

    asked: queue.SimpleQueue[pb.LookupStreamRequest | None] = queue.SimpleQueue()
    stream = caller.stub.LookupStream(iter(asked.get, None), timeout=30)
    for _ in range(2):
        asked.put(pb.LookupStreamRequest(lookup=pb.LookupRequest(number=NUMBER)))
        assert next(stream).outcome.route.account_id == ONE
        time.sleep(LONG)
    asked.put(None)
    assert list(stream) == []

    assert caller.account(NUMBER) == ONE
    assert set(states) == {grpc.ChannelConnectivity.READY}
