"""Exports the follower: its published status, and the counts of its own process."""

from collections.abc import Iterator

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from router.follower.follower import Follower
from router.redis_store.follower_status import FollowerStatus
from router.server.admin.store_metrics import store_requests
from router.server.observation import definitions as names
from router.server.observation.families import family, histogram, single
from router.stores.clients import Stores


def status_metrics(status: FollowerStatus | None) -> Iterator[Metric]:
    """Yield the metrics of a leading follower's published status; none where there is no status."""
    if status is None:
        return
    yield single(names.FOLLOWER_AGE, status.age)
    yield single(names.FOLLOWER_LAG, status.lag)
    yield family(names.FOLLOWER_DATABASE_LAG, {(database,): lag for database, lag in status.lags.items()})
    yield single(names.FOLLOWER_DATABASES, status.databases)
    yield single(names.FOLLOWER_COMPLETE, status.complete)
    yield single(names.FOLLOWER_BEHIND, status.behind)
    yield single(names.FOLLOWER_FEEDS, status.feeds)
    yield single(names.FOLLOWER_COPIES, status.copies_pending)


class FollowerMetrics(Collector):
    """Collects the metrics of a follower in this process.

    Args:
        stores: where nothing else in this process exports their requests.
    """

    def __init__(self, follower: Follower, stores: Stores | None = None) -> None:
        self._follower = follower
        self._stores = stores

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics."""
        follower = self._follower
        yield single(names.FOLLOWER_LEADING, follower.leading.is_set())
        yield single(names.CHANGES_APPLIED, follower.applied)
        yield histogram(names.CHANGE_VISIBLE, follower.visibility.all())
        if self._stores is not None:
            yield store_requests(self._stores)
