"""Exports the requests to both stores."""

from prometheus_client.core import Metric

from router.server.observation.definitions import STORE_DURATION
from router.server.observation.families import histogram
from router.stores.clients import Stores


def store_requests(stores: Stores) -> Metric:
    """Return the durations of the requests to both stores."""
    counted = {"redis": stores.redis_durations, "couchdb": stores.couch_durations}
    return histogram(
        STORE_DURATION,
        {
            (store, *labels): snapshot
            for store, durations in counted.items()
            for labels, snapshot in durations.histograms.all().items()
        },
    )
