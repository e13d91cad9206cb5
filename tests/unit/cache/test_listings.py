"""What is taken for absent must be so: a listing says nothing of what changed since before it was read."""

import time

import pytest

from router.near_cache.negative_ranges import NegativeRanges

DATABASE, FIRST = "numbers/+1415", "+1415886"
LISTED, ABSENT, BEYOND, BEFORE, ELSEWHERE = (
    "+14158867900",
    "+14158867901",
    "+14159990000",
    "+14158850000",
    "+14420000001",
)
NOW = time.monotonic()
LATER = NOW + 1000


@pytest.fixture
def listings() -> NegativeRanges:
    made = NegativeRanges()
    made.close(made.open(DATABASE, FIRST, NOW), [LISTED], "+14158869999", LATER)
    return made


@pytest.mark.parametrize("number", [LISTED, BEYOND, BEFORE, ELSEWHERE, "+1", ""])
def test_only_what_a_listing_covers_and_does_not_name_is_absent(listings: NegativeRanges, number: str) -> None:
    assert listings.is_absent(ABSENT, NOW)
    assert not listings.is_absent(number, NOW)


def test_a_listing_to_the_end_covers_all_that_follows(listings: NegativeRanges) -> None:
    listings.close(listings.open(DATABASE, "+14159", NOW), [], None, LATER)
    assert listings.is_absent(BEYOND, NOW)
    assert not listings.is_absent(LISTED, NOW)


def test_nothing_is_believed_before_it_was_read_nor_after_its_time() -> None:
    listings = NegativeRanges()
    listing = listings.open(DATABASE, FIRST, NOW)
    assert not listings.is_absent(ABSENT, NOW)
    listings.close(listing, [], None, LATER)
    assert listings.is_absent(ABSENT, NOW)
    assert not listings.is_absent(ABSENT, LATER)


def test_what_changes_is_not_absent_any_more(listings: NegativeRanges) -> None:
    listings.changed(ABSENT)
    assert not listings.is_absent(ABSENT, NOW)
    assert listings.is_absent("+14158867902", NOW)


def test_what_changes_while_a_database_is_being_listed_is_not_absent() -> None:
    listings = NegativeRanges()
    listing = listings.open(DATABASE, FIRST, NOW)
    listings.changed(ABSENT)
    listings.close(listing, [], None, LATER)
    assert not listings.is_absent(ABSENT, NOW)


def test_what_is_being_read_when_everything_is_forgotten_is_not_believed(listings: NegativeRanges) -> None:
    listing = listings.open(DATABASE, FIRST, NOW)
    listings.clear()
    listings.close(listing, [], None, LATER)
    assert not listings.is_absent(ABSENT, NOW)
    assert len(listings) == 0


def test_a_later_listing_may_know_less_than_an_earlier_one(listings: NegativeRanges) -> None:
    listings.changed(ABSENT)
    listings.close(listings.open(DATABASE, FIRST, NOW), [LISTED], None, LATER)
    assert listings.is_absent(ABSENT, NOW)  # it was deleted again: the later reading says so


def test_there_are_never_many(listings: NegativeRanges) -> None:
    for index in range(1000):
        listings.close(listings.open(f"numbers/+1{index:03}", "+1", NOW), [], None, LATER + index)
    assert len(listings) <= 128
    assert listings.is_absent("+19990000000", NOW)
    listings.open(DATABASE, FIRST, LATER + 2000)
    assert len(listings) == 1


def test_what_is_being_read_stays_where_there_are_many() -> None:
    listings = NegativeRanges()
    reading = listings.open(DATABASE, FIRST, NOW)
    for index in range(300):
        listings.close(listings.open(f"numbers/+1{index:03}", "+1", NOW), [], None, LATER + index)
    listings.close(reading, [], None, LATER)
    assert listings.is_absent(ABSENT, NOW)


def test_what_is_over_does_not_grow_with_what_changes() -> None:
    listings = NegativeRanges()
    listings.close(listings.open(DATABASE, FIRST, 0.0), [], None, 1.0)  # on the clock that changes go by: long ago
    listings.changed(ABSENT)
    assert len(listings) == 0


def test_what_a_listing_does_not_cover_is_nothing_to_it() -> None:
    listings = NegativeRanges()
    listing = listings.open(DATABASE, FIRST, NOW)
    listings.close(listing, [], None, time.monotonic() + 60)
    listings.changed(BEFORE)
    assert listing.listed == set()


def test_one_that_could_not_be_read_is_deleted() -> None:
    listings = NegativeRanges()
    listings.drop(listings.open(DATABASE, FIRST, NOW))
    assert len(listings) == 0
