"""The follower mends account copies of numbers that change, whoever changed them."""

from collections.abc import Callable
from typing import Any

import pytest

from router.embedded import EmbeddedCouchDB
from router.follower.follower import Follower
from router.redis_store.pending_copies import ALL_NUMBERS, PendingCopies
from tests.integration.accounts import NUMBER, OTHER, A, Accounts, B, C
from tests.integration.conftest import StartFollower
from tests.integration.real_stores import RealStores
from tests.integration.relay import Relay
from tests.support.waiting import eventually

KEEPING: dict[str, Any] = {"follower_account_copies": True}


@pytest.fixture
def accounts(couchdb: EmbeddedCouchDB) -> Accounts:
    made = Accounts(couchdb)
    made.create("_global_changes")
    made.create("numbers/+1415")
    return made


@pytest.fixture
def pending(stores: RealStores) -> PendingCopies:
    return PendingCopies(stores.redis, stores.keys)


@pytest.fixture
def follow(start_follower: StartFollower, stores: RealStores) -> Callable[..., Follower]:
    def begin(**settings: Any) -> Follower:
        follower = start_follower(**{**KEEPING, **settings})
        eventually(lambda: stores.complete("numbers/+1415"))
        return follower

    return begin


def test_number_written_by_hand_is_listed(accounts: Accounts, follow: Callable[..., Follower]) -> None:
    follow()
    accounts.number(pvt_reserve_history=[B])

    eventually(lambda: accounts.whereabouts() == "ab")


def test_numbers_that_were_there_before_are_listed(
    accounts: Accounts, follow: Callable[..., Follower], pending: PendingCopies
) -> None:
    accounts.number()
    accounts.number("+442079460018")
    follow(account_copies="both")

    eventually(lambda: (accounts.whereabouts(), accounts.copies_in("+442079460018")) == ("a", "a"))
    eventually(lambda: pending.size() == 0)


def test_former_assignee_missing_from_the_document_is_found(
    accounts: Accounts, follow: Callable[..., Follower], stores: RealStores
) -> None:
    """An assignee edited by hand usually comes without pvt_previously_assigned_to."""
    follow(account_copies="both")
    accounts.number(assigned_to=A)
    eventually(lambda: (stores.cached(NUMBER), accounts.copies_in()) == (A, "a"))

    accounts.number(assigned_to=B)

    eventually(lambda: (accounts.whereabouts(), accounts.copies_in()) == ("b", "b"))


def test_number_deleted_by_hand_is_listed_no_more(
    accounts: Accounts, follow: Callable[..., Follower], stores: RealStores
) -> None:
    follow()
    accounts.number()
    eventually(lambda: (stores.cached(NUMBER), accounts.whereabouts()) == (A, "a"))

    accounts.delete_number()

    eventually(lambda: accounts.whereabouts() == "")


@pytest.mark.parametrize("settings", [{"account_copies": "none"}, {"follower_account_copies": False}], ids=str)
def test_follower_without_account_copies_notes_no_copies(
    accounts: Accounts,
    follow: Callable[..., Follower],
    pending: PendingCopies,
    stores: RealStores,
    settings: dict[str, Any],
) -> None:
    follow(**settings)
    accounts.number()
    eventually(lambda: stores.cached(NUMBER) == A)

    assert pending.size() == 0
    assert accounts.listing(A) is None


def test_broken_account_database_delays_no_other(
    accounts: Accounts,
    couchdb: EmbeddedCouchDB,
    stores: RealStores,
    follow: Callable[..., Follower],
    pending: PendingCopies,
) -> None:
    with Relay(couchdb.url) as relay:
        stores.couchdb_url = relay.url
        follow(follower_timeout=1.0)
        relay.hold(lambda _, target: target.startswith("/account/aa/"))
        accounts.number(assigned_to=A)
        eventually(lambda: stores.cached(NUMBER) == A)
        eventually(lambda: relay.count("GET /account/aa/"))
        accounts.number(OTHER, assigned_to=B)

        # the cache goes on, and so do other accounts; what could not be written is not forgotten
        eventually(lambda: stores.cached(OTHER) == B)
        eventually(lambda: accounts.whereabouts(OTHER) == "b")
        eventually(lambda: pending.size() == 1)
        relay.release()
        eventually(lambda: (accounts.whereabouts(), pending.size()) == ("a", 0), seconds=20)


def test_copies_noted_before_a_crash_are_repaired_after_it(
    accounts: Accounts, follow: Callable[..., Follower], pending: PendingCopies
) -> None:
    """The numbers are noted before the checkpoint moves, so whoever leads next finds them."""
    first = follow(account_copies="none")
    accounts.number()
    first.stop()
    pending.add([(NUMBER, B), (OTHER, C)])
    accounts.write_listing(B, **{NUMBER: {}})
    accounts.write_listing(C, **{OTHER: {}})

    follow()

    eventually(lambda: (accounts.whereabouts(), accounts.whereabouts(OTHER), pending.size()) == ("a", "", 0))


def test_follower_with_too_many_pending_copies_compares_all(
    accounts: Accounts, follow: Callable[..., Follower], pending: PendingCopies, stores: RealStores
) -> None:
    accounts.number()
    accounts.write_listing(C, **{NUMBER: {}, OTHER: {}})
    PendingCopies(stores.redis, stores.keys, limit=2).add([(NUMBER, ""), (OTHER, ""), ("+14158867902", "")])
    assert list(stores.redis.hkeys(stores.keys.pending_copies)) == [ALL_NUMBERS.encode()]

    follow(account_copies="none").stop()
    assert accounts.whereabouts() == "c"
    follow()

    eventually(lambda: (accounts.whereabouts(), accounts.whereabouts(OTHER), pending.size()) == ("a", "", 0))


def test_pending_copy_noted_again_meanwhile_stays_pending(pending: PendingCopies) -> None:
    pending.add([(NUMBER, A), (OTHER, "")])
    (taken,) = pending.batches(10)
    pending.add([(NUMBER, A)])

    pending.remove(taken)

    (left,) = pending.batches(10)
    assert list(left) == [f"{NUMBER} {A}"]
