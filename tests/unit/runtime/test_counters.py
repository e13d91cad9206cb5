"""Counters by key, and the counter of one key."""

from router.runtime.counters import Counters, LabelledCounters


def test_counter_of_a_key_adds_to_what_is_counted_by_its_key() -> None:
    counters = LabelledCounters()
    key = ("grpc", "route")
    counter = counters.counter(key)
    counters.add(key)
    counter.add(3)
    counters.counter(key).add(2)
    counters.add(("sip", "route"))

    assert counters[key] == 6
    assert counters.all() == {key: 6, ("sip", "route"): 1}


def test_counter_that_counted_nothing_is_not_shown() -> None:
    counters = Counters()
    counters.counter("near_cache")

    assert counters.all() == {}
    assert counters["near_cache"] == 0
