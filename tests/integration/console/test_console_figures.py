"""The console finds its figures at a real /metrics: a renamed metric would leave a chart empty."""

from router.console.figures import read_figures
from router.v1 import inbound_pb2 as pb
from tests.integration.conftest import BOTH_TRANSPORTS, StartService
from tests.integration.real_stores import NUMBER, RealStores
from tests.support.waiting import eventually

pytestmark = BOTH_TRANSPORTS


def test_figures_of_a_real_service_are_found(stores: RealStores, start_service: StartService) -> None:
    stores.number()
    stores.mark_reference_data_complete()
    running = start_service()
    eventually(lambda: running.caller.route(NUMBER).source == pb.NEAR_CACHE)
    running.caller.refusal("911")

    (figures,) = read_figures(running.page("/metrics")[1].decode()).values()

    assert figures.sources["near_cache"] >= 1
    assert figures.refusals["NOT_RECONCILABLE"] == 1
    assert figures.latency[float("inf")] == figures.lookups
    assert figures.memory is not None
