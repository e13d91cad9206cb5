"""A worker behind the edge: it listens on a Unix socket, by whichever transport is installed."""

import tempfile
from pathlib import Path

import grpc

from router.server.app import Service
from router.server.transport import UNIX_PREFIX
from router.v1 import inbound_pb2 as pb
from router.v1.inbound_pb2_grpc import InboundRouterStub
from tests.integration.conftest import BOTH_TRANSPORTS
from tests.integration.lookup_client import request
from tests.integration.real_stores import NUMBER, ONE, RealStores

pytestmark = BOTH_TRANSPORTS


def test_service_on_a_unix_socket_answers(stores: RealStores, transport: str) -> None:
    stores.number()
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        address = f"{UNIX_PREFIX}{Path(folder) / 'worker.sock'}"
        service = Service(stores.settings(transport=transport).with_values(listen=address))
        service.start()
        try:
            with grpc.insecure_channel(address) as channel:
                stub = InboundRouterStub(channel)
                assert stub.Lookup(request(NUMBER), timeout=10).account_id == ONE
                batch = stub.LookupBatch(pb.LookupBatchRequest(lookups=[request(NUMBER)]), timeout=10)
                assert batch.outcomes[0].route.account_id == ONE
        finally:
            service.stop()
