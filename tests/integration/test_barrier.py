"""Barriers on a real Redis: once one is passed, no near cache holds what was changed before it."""

import threading
from collections.abc import Callable, Iterator

import pytest

from router.entries import codec
from router.entries.codec import NO_VERSION
from router.near_cache import barrier
from router.near_cache.cache import InvalidationListener, NearCache, NearEntry
from router.numbers.routes import Reason, Refused
from router.trust.monitor import TrustMonitor
from tests.integration.real_stores import NUMBER, RealStores
from tests.support.waiting import eventually

NUMBERS = [f"+1415886{index:04}" for index in range(200)]
SHARD = "numbers/+1415"

StartNear = Callable[[], NearCache]


@pytest.fixture
def start_near(stores: RealStores) -> Iterator[StartNear]:
    """Starts near caches that listen to these stores' Redis."""
    listening: list[InvalidationListener] = []

    def start() -> NearCache:
        trust = TrustMonitor()
        near = NearCache(10_000, 1 << 20, trust)
        listening.append(InvalidationListener(stores.redis, stores.keys, near, trust))
        listening[-1].start()
        eventually(lambda: _is_trusted(near))
        return near

    yield start
    for each in listening:
        each.stop()


def _is_trusted(near: NearCache) -> bool:
    """Return whether it keeps anything."""
    near.put("+1", NearEntry("", b"probe", None), near.generation(), None)
    is_kept = near.get("+1") is not None
    near.invalidate("+1")
    return is_kept


def _refusal(generation: int) -> codec.Entry:
    revision = f"{generation}-{'a' * 32}"
    return codec.decision_entry(Refused(Reason.UNASSIGNED, NUMBER), revision, now=1)


def _keep(near: NearCache, numbers: list[str]) -> None:
    for number in numbers:
        near.put(number, NearEntry("", b"former", None), near.generation(), None)


def test_entry_written_before_a_passed_barrier_is_dropped(stores: RealStores, start_near: StartNear) -> None:
    nears = [start_near() for _ in range(4)]
    for generation in range(1, 151):
        number = NUMBERS[generation % len(NUMBERS)]
        for near in nears:
            _keep(near, [number])
            assert near.get(number)
        assert stores.writer.entries.fill(SHARD, "", [(number, _refusal(generation))]) == 1
        assert barrier.await_all(stores.redis, stores.keys, 5) == 0
        assert [near.get(number) for near in nears] == [None] * 4


def test_many_entries_written_before_a_passed_barrier_are_dropped(stores: RealStores, start_near: StartNear) -> None:
    nears = [start_near() for _ in range(3)]
    for generation in range(1, 21):
        for near in nears:
            _keep(near, NUMBERS)
        entries = [(number, _refusal(generation)) for number in NUMBERS]
        assert stores.writer.entries.fill(SHARD, "", entries) == len(NUMBERS)
        assert barrier.await_all(stores.redis, stores.keys, 5) == 0
        assert all(len(near) == 0 for near in nears)


def test_many_writers_at_a_time_each_pass_their_own(stores: RealStores, start_near: StartNear) -> None:
    nears = [start_near() for _ in range(3)]
    wrong: list[str] = []

    def change(number: str) -> None:
        for generation in range(1, 41):
            for near in nears:
                _keep(near, [number])
            stores.writer.entries.fill(SHARD, "", [(number, _refusal(generation))])
            if barrier.await_all(stores.redis, stores.keys, 10) or any(near.get(number) for near in nears):
                wrong.append(number)

    writers = [threading.Thread(target=change, args=(number,)) for number in NUMBERS[:6]]
    for each in writers:
        each.start()
    for each in writers:
        each.join()
    assert wrong == []


def test_barrier_without_near_caches_passes(stores: RealStores) -> None:
    assert barrier.await_all(stores.redis, stores.keys, 5) == 0


def test_silent_near_cache_is_reported_and_waited_for_no_longer(stores: RealStores, start_near: StartNear) -> None:
    start_near()
    mute = stores.redis.pubsub()
    mute.subscribe(stores.keys.barrier)
    eventually(lambda: stores.redis.pubsub_numsub(stores.keys.barrier)[0][1] == 2)
    assert barrier.await_all(stores.redis, stores.keys, 0.1) == 1
    mute.close()
    eventually(lambda: barrier.await_all(stores.redis, stores.keys, 5) == 0)


def test_acknowledgements_of_a_barrier_leave_redis(stores: RealStores, start_near: StartNear) -> None:
    start_near()
    mute = stores.redis.pubsub()
    mute.subscribe(stores.keys.barrier)
    eventually(lambda: stores.redis.pubsub_numsub(stores.keys.barrier)[0][1] == 2)
    # The one that answers too late for anybody leaves its answer behind, for a while.
    stores.redis.publish(stores.keys.barrier, "late")
    eventually(lambda: stores.redis.pttl(stores.keys.barrier_acks("late")) > 0)
    mute.close()


def test_near_cache_that_comes_back_listens_to_barriers_again(stores: RealStores, start_near: StartNear) -> None:
    near = start_near()
    stores.redis.client_kill_filter(_type="pubsub")
    eventually(lambda: _is_trusted(near) and stores.redis.pubsub_numsub(stores.keys.barrier)[0][1] == 1)
    near.put(NUMBER, NearEntry("", b"former", None), near.generation(), None)
    stores.writer.entries.fill(SHARD, "", [(NUMBER, _refusal(1))])
    assert barrier.await_all(stores.redis, stores.keys, 5) == 0
    assert near.get(NUMBER) is None
    assert _refusal(1).version > NO_VERSION
