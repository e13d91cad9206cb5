"""The trust monitor concludes from what the parts observe which caches lookups may use."""

import itertools
import threading

import pytest

from router.trust.monitor import TrustMonitor
from router.trust.trust import FRESH, STALE, UNAVAILABLE, Freshness, Trust


@pytest.fixture
def monitor() -> TrustMonitor:
    made = TrustMonitor()
    made.set_receives_invalidations(receives=True)
    return made


def test_monitor_at_the_start_trusts_redis_alone() -> None:
    assert TrustMonitor().current == Trust(UNAVAILABLE, FRESH, STALE, frozenset(), receives_invalidations=False)


@pytest.mark.parametrize(
    ("responds", "receives", "current", "near", "redis"),
    [
        (True, True, True, FRESH, FRESH),
        (True, True, False, STALE, STALE),
        (True, False, True, UNAVAILABLE, FRESH),
        (True, False, False, UNAVAILABLE, STALE),
        (False, True, True, STALE, UNAVAILABLE),
        (False, False, True, STALE, UNAVAILABLE),
        (False, True, False, STALE, UNAVAILABLE),
        (False, False, False, STALE, UNAVAILABLE),
    ],
)
def test_near_and_redis_follow_from_what_was_observed_in_any_order(
    responds: bool, receives: bool, current: bool, near: Freshness, redis: Freshness
) -> None:
    for order in itertools.permutations(range(3)):
        made = TrustMonitor()
        observations = (
            made.redis_responded if responds else made.redis_failed,
            lambda made=made: made.set_receives_invalidations(receives=receives),
            lambda made=made: made.set_entries_current(current=current),
        )
        for index in order:
            observations[index]()
        assert (made.current.near, made.current.redis) == (near, redis)


def test_redis_is_unavailable_until_it_responds(monitor: TrustMonitor) -> None:
    assert monitor.redis_failed()
    assert not monitor.redis_failed(), "it was away already"
    assert monitor.current.redis is UNAVAILABLE
    monitor.redis_responded()
    assert monitor.current.redis is FRESH
    assert monitor.redis_failed()


def test_near_cache_without_connection_stays_unavailable(monitor: TrustMonitor) -> None:
    monitor.redis_failed()
    monitor.set_receives_invalidations(receives=False)
    assert monitor.current.near is STALE
    monitor.redis_responded()
    assert monitor.current.near is UNAVAILABLE


def test_reference_data_are_fresh_while_synced_and_complete_by_database(monitor: TrustMonitor) -> None:
    monitor.set_complete({"accounts"})
    monitor.set_reference_data_synced(synced=True)
    assert (monitor.current.reference, monitor.current.complete) == (FRESH, frozenset({"accounts"}))
    monitor.set_reference_data_synced(synced=False)
    assert (monitor.current.reference, monitor.current.complete) == (STALE, frozenset({"accounts"}))


def test_published_value_never_changes(monitor: TrustMonitor) -> None:
    before = monitor.current
    monitor.redis_failed()
    monitor.set_complete({"accounts"})
    assert before == Trust(FRESH, FRESH, STALE, frozenset(), receives_invalidations=True)
    with pytest.raises(AttributeError):
        before.near = STALE  # type: ignore[misc]


def test_observations_of_several_threads_are_all_in_the_published_value() -> None:
    for _ in range(100):
        made = TrustMonitor()
        together = threading.Barrier(3)
        observations = (
            lambda: made.set_receives_invalidations(receives=True),  # noqa: B023
            lambda: made.set_entries_current(current=False),  # noqa: B023
            lambda: made.set_reference_data_synced(synced=True),  # noqa: B023
        )
        threads = [threading.Thread(target=lambda each=each: (together.wait(), each())) for each in observations]  # noqa: B023
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert made.current == Trust(STALE, STALE, FRESH, frozenset(), receives_invalidations=True)
