"""The near cache drops an entry as soon as it may be wrong."""

import math
import time

import pytest

from router.near_cache.cache import NearCache, NearEntry
from router.trust.monitor import TrustMonitor
from tests.support.near_caches import NUMBER, OTHER, is_trusted, near_entry, receiving_monitor


@pytest.fixture
def trust() -> TrustMonitor:
    return receiving_monitor()


@pytest.fixture
def near(trust: TrustMonitor) -> NearCache:
    return NearCache(100, 1_000_000, trust)


def test_entry_is_found_by_number_and_by_request_bytes(near: NearCache) -> None:
    entry = near_entry()
    near.put(NUMBER, entry, near.generation(), b"raw")
    near.alias(b"another way", entry, near.generation())
    assert near.get(NUMBER) is near.by_request[b"raw"] is near.by_request[b"another way"] is entry


def test_change_ends_every_way_to_an_entry(near: NearCache) -> None:
    entry = near_entry()
    near.put(NUMBER, entry, near.generation(), b"raw")
    near.invalidate(NUMBER)
    assert near.get(NUMBER) is None
    assert not entry.alive
    assert near.by_request == {}


def test_change_ends_what_a_listing_says_of_a_number(near: NearCache) -> None:
    listings = near.negative_ranges
    listings.close(listings.open("numbers/+1415", "+1415886", 0.0), [], None, math.inf)
    assert listings.is_absent(NUMBER, 0.0)
    near.invalidate(NUMBER)
    assert not listings.is_absent(NUMBER, 0.0)
    assert listings.is_absent("+14158867901", 0.0)
    near.clear()
    assert not listings.is_absent("+14158867901", 0.0)


def test_change_during_a_fetch_forbids_keeping_it(near: NearCache) -> None:
    clock = near.generation()
    near.invalidate(NUMBER)
    near.put(NUMBER, near_entry(), clock, b"raw")
    assert near.get(NUMBER) is None
    near.put(OTHER, near_entry(), clock, b"other")
    assert near.get(OTHER) is not None, "another number's change forbids nothing"


def test_fetch_after_the_change_is_kept(near: NearCache) -> None:
    near.invalidate(NUMBER)
    near.put(NUMBER, near_entry(), near.generation(), None)
    assert near.get(NUMBER) is not None


def test_forgetting_everything_forbids_keeping_what_is_being_fetched(near: NearCache, trust: TrustMonitor) -> None:
    clock = near.generation()
    near.put(OTHER, near_entry(), clock, b"other")
    near.clear()
    near.put(NUMBER, near_entry(), clock, b"raw")
    assert near.get(NUMBER) is near.get(OTHER) is None
    assert near.by_request == {}
    assert (len(near), near.size, is_trusted(trust)) == (0, 0, True)


def test_put_into_an_untrusted_near_cache_keeps_nothing(near: NearCache, trust: TrustMonitor) -> None:
    trust.set_receives_invalidations(receives=False)
    near.put(NUMBER, near_entry(), near.generation(), b"raw")
    assert near.get(NUMBER) is None


def test_dead_entry_gets_no_new_way(near: NearCache) -> None:
    entry = near_entry()
    near.put(NUMBER, entry, near.generation(), None)
    near.invalidate(NUMBER)
    near.alias(b"raw", entry, near.generation())
    assert b"raw" not in near.by_request


@pytest.mark.parametrize(("entries", "size"), [(10, 1_000_000), (1000, 10 * 600)])
def test_near_cache_is_bounded_in_entries_and_bytes(entries: int, size: int, trust: TrustMonitor) -> None:
    near = NearCache(entries, size, trust)
    for index in range(200):
        near.put(f"+1415{index:07}", near_entry(b"x" * 150), near.generation(), b"raw%d" % index)
        assert len(near) <= entries
        assert near.size <= size
    assert near.get("+14150000199") is not None
    assert near.get("+14150000000") is None


@pytest.mark.parametrize("steps", [2.0, math.inf], ids=["no document", "a document of nobody's"])
def test_asking_for_numbers_that_are_refused_pushes_out_no_living_entry(near: NearCache, steps: float) -> None:
    living = [f"+1415{index:07}" for index in range(90)]
    for number in living:
        near.put(number, near_entry(), near.generation(), number.encode())
    for index in range(5000):
        nothing = NearEntry("", None, "refused", time.monotonic() + steps)
        near.put(f"+4930{index:07}", nothing, near.generation(), b"absent%d" % index)
    assert all(near.get(number) is not None for number in living)
    assert all(near.by_request[number.encode()].alive for number in living)
    assert len(near) <= 90 + 100 // 16
    near.invalidate("+49300004999")
    assert near.get("+49300004999") is None
    assert b"absent4999" not in near.by_request


def test_ways_of_asking_are_bounded(near: NearCache) -> None:
    entry = near_entry()
    near.put(NUMBER, entry, near.generation(), None)
    for index in range(1000):
        near.alias(b"raw%d" % index, entry, near.generation())
        assert len(near.by_request) <= 8
    assert near.get(NUMBER) is near.by_request[b"raw999"] is entry
    near.invalidate(NUMBER)
    assert (near.size, near.by_request) == (0, {})


def test_alias_added_again_costs_no_size(near: NearCache) -> None:
    entry = near_entry()
    near.put(NUMBER, entry, near.generation(), b"raw")
    before = near.size
    near.alias(b"raw", entry, near.generation())
    assert near.size == before


def test_ways_of_asking_take_no_more_bytes_than_there_are(trust: TrustMonitor) -> None:
    near = NearCache(1000, 20_000, trust)
    for index in range(100):
        entry = near_entry()
        near.put(f"+1415{index:07}", entry, near.generation(), b"%d" % index + b"x" * 100_000)
        for way in range(8):
            near.alias(b"%d %d" % (index, way) + b"x" * 400, entry, near.generation())
            assert sum(map(len, near.by_request)) <= near.size <= 20_000
    assert len(near) > 1


def test_alias_of_a_former_generation_is_not_kept(near: NearCache) -> None:
    clock = near.generation()
    near.clear()
    entry = near_entry()
    near.put(NUMBER, entry, near.generation(), None)
    near.alias(b"raw", entry, clock)
    assert near.by_request == {}
