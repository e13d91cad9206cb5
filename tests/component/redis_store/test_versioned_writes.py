"""Only what is newer is written, whoever writes and in whatever order."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from router.entries import codec
from router.entries.codec import Entry
from router.redis_store.cache_store import CacheStore
from router.redis_store.entry_reader import EntryReader
from router.redis_store.keys import Keys
from router.redis_store.replies import ApplyResult
from tests.support.entries import DATABASE, NOW, NUMBER, ONE, TWO, Life, held, refusal, rev, route
from tests.support.examples import examples


def test_newer_revision_replaces_an_older_one(writer: CacheStore, reader: EntryReader) -> None:
    steps = Life(writer)
    assert steps.apply(route(rev(1))) == (ApplyResult.OK, [])
    assert steps.apply(route(rev(2), TWO)) == (ApplyResult.OK, [])
    assert held(reader) == route(rev(2), TWO)


def test_older_revision_is_reported_and_not_written(writer: CacheStore, reader: EntryReader) -> None:
    steps = Life(writer)
    steps.apply(route(rev(2), TWO))
    assert steps.apply(refusal(rev(3)), route(rev(1))) == (ApplyResult.OK, [1])
    assert held(reader) == refusal(rev(3))


def test_older_revision_moves_the_checkpoint_all_the_same(writer: CacheStore) -> None:
    steps = Life(writer)
    steps.apply(route(rev(2)), seq="two")
    steps.apply(route(rev(1)), seq="three")
    assert writer.checkpoints.get(DATABASE).seq == "three"


def test_hashes_decide_between_revisions_of_one_generation(writer: CacheStore, reader: EntryReader) -> None:
    steps = Life(writer)
    steps.apply(route(rev(2, "b")))
    assert steps.apply(route(rev(2, "a"), TWO)) == (ApplyResult.OK, [0])
    assert steps.apply(route(rev(2, "c"), TWO)) == (ApplyResult.OK, [])
    assert held(reader) == route(rev(2, "c"), TWO)


@pytest.mark.parametrize(
    ("lower", "higher"),
    [(255, 256), (256, 257), (9, 10), (65535, 65536), (2**31 - 1, 2**31), (2**31, 2**32 - 1), (127, 128)],
)
def test_generations_compare_as_numbers(writer: CacheStore, reader: EntryReader, lower: int, higher: int) -> None:
    steps = Life(writer)
    steps.apply(route(rev(lower, "f")))
    assert steps.apply(route(rev(higher, "0"), TWO)) == (ApplyResult.OK, [])
    assert steps.apply(route(rev(lower, "f"))) == (ApplyResult.OK, [0])
    assert held(reader) == route(rev(higher, "0"), TWO)


@settings(max_examples=examples(60), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.integers(1, 2**32 - 1), st.binary(min_size=16, max_size=16)), min_size=1, max_size=8, unique=True
    )
)
def test_revisions_in_any_order_leave_the_highest(
    writer: CacheStore, reader: EntryReader, client: Any, revisions: list[tuple[int, bytes]]
) -> None:
    client.flushall()
    steps = Life(writer)
    steps.apply(*(route(f"{generation}-{digest.hex()}") for generation, digest in revisions))
    generation, digest = max(revisions)
    kept = held(reader)
    assert kept is not None
    assert kept.revision == f"{generation}-{digest.hex()}"


def test_same_answer_again_is_left_alone(writer: CacheStore, client: Any, keys: Keys) -> None:
    steps = Life(writer)
    steps.apply(route(rev(1)))
    first = route(rev(1))
    later = Entry(first.version, first.kind, NOW + 60, first.payload)
    assert steps.apply(later) == (ApplyResult.OK, [])
    assert client.get(keys.number(NUMBER)) == route(rev(1)).pack()


def test_same_answer_by_the_follower_stays_for_good(writer: CacheStore, client: Any, keys: Keys) -> None:
    steps = Life(writer)
    assert writer.entries.fill(DATABASE, steps.checkpoint.epoch, [(NUMBER, route(rev(1)))]) == 1
    assert client.pttl(keys.number(NUMBER)) > 0
    steps.apply(route(rev(1)))
    assert client.pttl(keys.number(NUMBER)) == -1


def test_another_answer_of_the_same_revision_replaces_it(writer: CacheStore, reader: EntryReader) -> None:
    steps = Life(writer)
    steps.apply(route(rev(1)))
    assert steps.apply(route(rev(1), TWO)) == (ApplyResult.OK, [])
    assert held(reader) == route(rev(1), TWO)
    steps.apply(refusal(rev(1)))
    assert held(reader) == refusal(rev(1))


def test_filler_never_replaces_an_answer_of_the_same_revision(writer: CacheStore, reader: EntryReader) -> None:
    steps = Life(writer)
    steps.apply(route(rev(1)))
    assert writer.entries.fill(DATABASE, steps.checkpoint.epoch, [(NUMBER, route(rev(1), TWO))]) == 0
    assert held(reader) == route(rev(1))


def test_filler_never_replaces_what_is_newer(writer: CacheStore, reader: EntryReader) -> None:
    steps = Life(writer)
    steps.apply(route(rev(2), TWO))
    assert writer.entries.fill(DATABASE, steps.checkpoint.epoch, [(NUMBER, route(rev(1)))]) == 0
    assert held(reader) == route(rev(2), TWO)


def test_slow_lookup_never_replaces_a_resolved_conflict(writer: CacheStore, reader: EntryReader) -> None:
    """The winner that it read was deleted since: the follower wrote the lower revision, and would not come back."""
    steps = Life(writer)
    steps.apply(route(rev(2, "a")))
    epoch = steps.checkpoint.epoch
    assert writer.entries.fill(DATABASE, epoch, [(NUMBER, route(rev(2, "f"), TWO))], only_missing=True) == 0
    assert held(reader) == route(rev(2, "a"))


def test_slow_lookup_fills_what_is_missing_or_negative(writer: CacheStore, reader: EntryReader) -> None:
    epoch = Life(writer).checkpoint.epoch
    for entry in (codec.negative_entry(NOW), route(rev(1))):
        assert writer.entries.fill(DATABASE, epoch, [(NUMBER, entry)], only_missing=True) == 1
    assert held(reader) == route(rev(1))


def test_negative_never_stands_over_a_document(writer: CacheStore, reader: EntryReader) -> None:
    steps = Life(writer)
    steps.apply(route(rev(1)))
    assert writer.entries.fill(DATABASE, steps.checkpoint.epoch, [(NUMBER, codec.negative_entry(NOW))]) == 0
    assert steps.apply(codec.negative_entry(NOW)) == (ApplyResult.OK, [0])
    assert held(reader) == route(rev(1))


def test_negative_never_stands_over_a_deletion(writer: CacheStore, reader: EntryReader) -> None:
    steps = Life(writer)
    steps.apply(codec.tombstone_entry(rev(2), NOW))
    assert writer.entries.fill(DATABASE, steps.checkpoint.epoch, [(NUMBER, codec.negative_entry(NOW))]) == 0
    assert held(reader) == codec.tombstone_entry(rev(2), NOW)


def test_document_replaces_a_negative_at_once(writer: CacheStore, reader: EntryReader) -> None:
    steps = Life(writer)
    assert writer.entries.fill(DATABASE, steps.checkpoint.epoch, [(NUMBER, codec.negative_entry(NOW))]) == 1
    steps.apply(route(rev(1)))
    assert held(reader) == route(rev(1))


def test_deletion_outlives_a_slow_reader(writer: CacheStore, reader: EntryReader) -> None:
    steps = Life(writer)
    steps.apply(route(rev(1)))
    steps.apply(codec.tombstone_entry(rev(2), NOW))
    assert writer.entries.fill(DATABASE, steps.checkpoint.epoch, [(NUMBER, route(rev(1)))]) == 0
    assert held(reader) == codec.tombstone_entry(rev(2), NOW)


def test_entries_of_each_kind_have_their_ttl(writer: CacheStore, client: Any, keys: Keys) -> None:
    steps = Life(writer)
    epoch = steps.checkpoint.epoch
    numbers = ["+14150000001", "+14150000002", "+14150000003", "+14150000004"]
    steps.apply(route(rev(1)), number=numbers[0])
    steps.apply(codec.tombstone_entry(rev(1), NOW), number=numbers[1])
    writer.entries.fill(DATABASE, epoch, [(numbers[2], codec.negative_entry(NOW)), (numbers[3], refusal(rev(1)))])
    kept = [client.pttl(keys.number(number)) for number in numbers]
    assert kept[0] == -1
    assert 86_000_000 < kept[1] <= 86_400_000
    assert 9_000 < kept[2] <= 10_000
    assert 290_000 < kept[3] <= 300_000


def test_lower_version_stands_after_replace_where_the_expected_one_was(writer: CacheStore, reader: EntryReader) -> None:
    steps = Life(writer)
    steps.apply(route(rev(7)))
    expected = route(rev(7)).version
    assert writer.entries.replace(DATABASE, 1, steps.checkpoint.epoch, NUMBER, expected, route(rev(3), TWO))
    assert held(reader) == route(rev(3), TWO)


def test_replace_does_nothing_where_another_version_stands(writer: CacheStore, reader: EntryReader) -> None:
    steps = Life(writer)
    steps.apply(route(rev(8)))
    assert not writer.entries.replace(
        DATABASE, 1, steps.checkpoint.epoch, NUMBER, route(rev(7)).version, route(rev(3), TWO)
    )
    assert held(reader) == route(rev(8))


def test_replace_needs_the_epoch_and_the_token(writer: CacheStore, reader: EntryReader) -> None:
    steps = Life(writer, token=5)
    steps.apply(route(rev(7)))
    expected, made = route(rev(7)).version, route(rev(3), TWO)
    assert not writer.entries.replace(DATABASE, 4, steps.checkpoint.epoch, NUMBER, expected, made)
    assert not writer.entries.replace(DATABASE, 5, "another", NUMBER, expected, made)
    assert held(reader) == route(rev(7), ONE)
