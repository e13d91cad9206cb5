"""Negative ranges: a listing covers nothing that changed since before it was read."""

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


def test_listing_to_the_end_covers_all_that_follows(listings: NegativeRanges) -> None:
    listings.close(listings.open(DATABASE, "+14159", NOW), [], None, LATER)
    assert listings.is_absent(BEYOND, NOW)
    assert not listings.is_absent(LISTED, NOW)


def test_range_is_valid_from_its_close_until_its_expiry() -> None:
    listings = NegativeRanges()
    listing = listings.open(DATABASE, FIRST, NOW)
    assert not listings.is_absent(ABSENT, NOW)
    listings.close(listing, [], None, LATER)
    assert listings.is_absent(ABSENT, NOW)
    assert not listings.is_absent(ABSENT, LATER)


def test_changed_number_is_not_absent_any_more(listings: NegativeRanges) -> None:
    listings.changed(ABSENT)
    assert not listings.is_absent(ABSENT, NOW)
    assert listings.is_absent("+14158867902", NOW)


def test_number_changed_during_a_listing_is_not_absent() -> None:
    listings = NegativeRanges()
    listing = listings.open(DATABASE, FIRST, NOW)
    listings.changed(ABSENT)
    listings.close(listing, [], None, LATER)
    assert not listings.is_absent(ABSENT, NOW)


def test_listing_in_progress_at_a_clear_is_discarded(listings: NegativeRanges) -> None:
    listing = listings.open(DATABASE, FIRST, NOW)
    listings.clear()
    listings.close(listing, [], None, LATER)
    assert not listings.is_absent(ABSENT, NOW)
    assert len(listings) == 0


def test_later_listing_may_know_less_than_an_earlier_one(listings: NegativeRanges) -> None:
    listings.changed(ABSENT)
    listings.close(listings.open(DATABASE, FIRST, NOW), [LISTED], None, LATER)
    assert listings.is_absent(ABSENT, NOW)  # it was deleted again: the later reading says so


def test_ranges_are_bounded_and_expired_ones_dropped(listings: NegativeRanges) -> None:
    for index in range(1000):
        listings.close(listings.open(f"numbers/+1{index:03}", "+1", NOW), [], None, LATER + index)
    assert len(listings) <= 128
    assert listings.is_absent("+19990000000", NOW)
    listings.open(DATABASE, FIRST, LATER + 2000)
    assert len(listings) == 1


def test_listing_in_progress_is_not_evicted() -> None:
    listings = NegativeRanges()
    reading = listings.open(DATABASE, FIRST, NOW)
    for index in range(300):
        listings.close(listings.open(f"numbers/+1{index:03}", "+1", NOW), [], None, LATER + index)
    listings.close(reading, [], None, LATER)
    assert listings.is_absent(ABSENT, NOW)


def test_expired_listing_is_dropped_by_a_change() -> None:
    listings = NegativeRanges()
    listings.close(listings.open(DATABASE, FIRST, 0.0), [], None, 1.0)  # on the clock that changes go by: long ago
    listings.changed(ABSENT)
    assert len(listings) == 0


def test_change_outside_of_a_listing_is_not_noted() -> None:
    listings = NegativeRanges()
    listing = listings.open(DATABASE, FIRST, NOW)
    listings.close(listing, [], None, time.monotonic() + 60)
    listings.changed(BEFORE)
    assert listing.listed == set()


def test_one_that_could_not_be_read_is_deleted() -> None:
    listings = NegativeRanges()
    listings.drop(listings.open(DATABASE, FIRST, NOW))
    assert len(listings) == 0
