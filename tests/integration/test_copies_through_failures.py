"""Account copies when writers die between two steps, meet each other, or are slower than a later change."""

import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from router.account_copies import AccountCopies, CopiesMode, CopyChange
from router.account_copies.comparison import CopiesComparison
from router.account_copies.names import account_database
from router.couch.errors import ConflictError, CouchUnavailable
from router.embedded import EmbeddedCouchDB
from router.numbers.documents import NumberDocument, read
from router.numbers.shards import shard_for
from tests.integration.accounts import NUMBER, OTHER, A, Accounts, B, C, number_document
from tests.integration.conftest import StartFollower
from tests.integration.real_stores import RealStores
from tests.integration.relay import Relay
from tests.support.waiting import eventually

SHARD = "numbers/+1415"
MODES = (CopiesMode.SINGLE, CopiesMode.PER_NUMBER, CopiesMode.BOTH)


@pytest.fixture
def relay(couchdb: EmbeddedCouchDB) -> Iterator[Relay]:
    with Relay(couchdb.url) as made:
        yield made


@pytest.fixture
def accounts(couchdb: EmbeddedCouchDB, relay: Relay) -> Accounts:
    """Its copies are written by way of the relay."""
    made = Accounts(couchdb, relay.url)
    made.create("_global_changes")
    made.create(SHARD)
    return made


def direct(accounts: Accounts, mode: CopiesMode = CopiesMode.SINGLE) -> AccountCopies:
    """Somebody whom the relay does not hold up."""
    return AccountCopies(accounts.databases, mode)


def change(before: dict[str, Any] | None, after: dict[str, Any] | None) -> CopyChange:
    documents = [None if each is None else read(each) for each in (before, after)]
    first, second = (each if isinstance(each, NumberDocument) else None for each in documents)
    return CopyChange(str((before or after or {})["_id"]), first, second)


def differing(accounts: Accounts, mode: CopiesMode, *, repair: bool = False) -> int:
    comparison = CopiesComparison(accounts.databases, direct(accounts, mode), recheck_delays=(0.0,))
    for page in accounts.databases.database(SHARD).all_documents(100):
        comparison.note(page)
    found = comparison.find()
    return len([why for why in comparison.repair(found).values() if why]) if repair else len(found)


MOVES: list[tuple[str, dict[str, Any], dict[str, Any], str, str]] = [
    ("moved", {}, {"pvt_assigned_to": B, "pvt_previously_assigned_to": A}, "b", "b"),
    (
        "reserved by a parent, used by a child",
        {"pvt_assigned_to": C, "pvt_number_state": "reserved", "pvt_reserve_history": [C]},
        {"pvt_assigned_to": B, "pvt_previously_assigned_to": C, "pvt_reserve_history": [C]},
        "bc",
        "b",
    ),
    (
        "released",
        {},
        {"pvt_assigned_to": None, "pvt_number_state": "available", "pvt_previously_assigned_to": A},
        "",
        "",
    ),
]


def by_another_operation(accounts: Accounts, mode: CopiesMode, document: dict[str, Any]) -> None:
    later = {**document, "pvt_used_by": "callflow"}
    accounts.put(SHARD, later)
    assert direct(accounts, mode).update([change(document, later)]) == {}


def by_an_audit(accounts: Accounts, mode: CopiesMode, document: dict[str, Any]) -> None:
    assert differing(accounts, mode, repair=True) == 0


def by_a_follower(accounts: Accounts, mode: CopiesMode, document: dict[str, Any]) -> None:
    assert direct(accounts, mode).repair([document["_id"]], {document["_id"]: [A]}) == {}


Mend = Callable[[Accounts, CopiesMode, dict[str, Any]], None]


@pytest.mark.parametrize("mend", [by_another_operation, by_an_audit, by_a_follower])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("first", "second", "lists", "owners"), [m[1:] for m in MOVES], ids=[m[0] for m in MOVES])
def test_writer_killed_between_any_two_steps_is_repaired(
    accounts: Accounts,
    relay: Relay,
    first: dict[str, Any],
    second: dict[str, Any],
    lists: str,
    owners: str,
    mode: CopiesMode,
    mend: Mend,
) -> None:
    before, after = number_document(**first), number_document(**second)
    step = 0
    finished = False
    while not finished:
        relay.cut(lambda *_: False)
        accounts.put(SHARD, before)
        assert direct(accounts, mode).update([change(after, before)]) == {}
        held = accounts.whereabouts() + accounts.copies_in()
        accounts.put(SHARD, after)
        came = len(relay.seen)
        relay.cut(lambda *_, step=step, came=came: len(relay.seen) - came > step)

        finished = accounts.copies(mode).update([change(before, after)]) == {}

        if lists or owners:  # whoever shall have it comes first, so it is never in nobody's copy
            assert accounts.whereabouts() + accounts.copies_in(), f"after {step} steps, from {held}"
        mend(accounts, mode, after)
        assert differing(accounts, mode) == 0
        in_lists = "" if mode is CopiesMode.PER_NUMBER else lists
        assert accounts.whereabouts() == in_lists, f"after {step} steps"
        assert accounts.copies_in() == ("" if mode is CopiesMode.SINGLE else owners), f"after {step} steps"
        step += 1
    assert step > 5


def test_follower_stopped_during_a_repair_is_made_up_for(
    accounts: Accounts, couchdb: EmbeddedCouchDB, stores: RealStores, relay: Relay, start_follower: StartFollower
) -> None:
    stores.couchdb_url = relay.url
    relay.cut(lambda method, target: method == "PUT" and target.startswith("/account/"))
    first = start_follower(follower_account_copies=True)
    accounts.number(pvt_reserve_history=[B])
    eventually(lambda: relay.count("PUT /account/"))
    first.stop()
    assert accounts.whereabouts() == ""

    stores.couchdb_url = couchdb.url
    start_follower(follower_account_copies=True)

    eventually(lambda: accounts.whereabouts() == "ab")


def test_two_writers_on_one_account(accounts: Accounts) -> None:
    numbers = [f"+1415{n:07}" for n in range(60)]
    for number in numbers:
        accounts.number(number)

    with ThreadPoolExecutor(6) as pool:
        result = list(pool.map(lambda number: direct(accounts).repair([number]), numbers))

    assert result == [{}] * 60
    assert sorted(accounts.listed(A)) == numbers


def test_person_who_saves_in_between_loses_nothing(accounts: Accounts, relay: Relay) -> None:
    accounts.number()
    relay.hold(lambda method, _: method == "PUT")
    writer = threading.Thread(target=accounts.copies().repair, args=([NUMBER],))
    writer.start()
    eventually(lambda: relay.count("PUT /account/aa"))
    accounts.write_listing(A, colour="blue", **{OTHER: {"state": "in_service"}})

    relay.release()
    writer.join(10)

    held = accounts.listing(A) or {}
    assert (held["colour"], list(accounts.listed(A))) == ("blue", [OTHER, NUMBER])


def test_older_state_that_is_written_late_does_not_stay(accounts: Accounts, relay: Relay) -> None:
    """The number leaves A and comes back while its removal from A's list is on its way.

    For who brought it back A's list was right all the time, so no revision tells the late writer of it.
    """
    home, away = number_document(), number_document(assigned_to=B)
    accounts.put(SHARD, home)
    direct(accounts).repair([NUMBER])
    accounts.put(SHARD, away)
    relay.hold(lambda method, target: method == "PUT" and target.startswith("/account/aa"))
    late = threading.Thread(target=accounts.copies().update, args=([change(home, away)],))
    late.start()
    eventually(lambda: relay.count("PUT /account/aa"))
    accounts.put(SHARD, home)
    assert direct(accounts).update([change(away, home)]) == {}
    assert accounts.whereabouts() == "a"

    relay.release()
    late.join(10)

    assert accounts.whereabouts() == "a"


def test_older_state_is_not_even_tried(accounts: Accounts, relay: Relay) -> None:
    """A caller's statement about a number is not written when the number's document differs by then."""
    accounts.number(assigned_to=C)

    assert accounts.copies().update([change(number_document(assigned_to=A), number_document(assigned_to=B))]) == {}

    assert accounts.whereabouts() == "c"
    assert relay.count("PUT /account/(aa|bb)") == 0


@pytest.mark.parametrize("mode", MODES)
def test_storm_of_writers_leaves_copies_as_the_numbers_are(accounts: Accounts, mode: CopiesMode) -> None:
    numbers = [f"+1415{n:07}" for n in range(4)]
    for number in numbers:
        accounts.number(number)

    def work(seed: int) -> None:
        chance = random.Random(seed)
        copies = direct(accounts, mode)
        for _ in range(12):
            number = chance.choice(numbers)
            before = accounts.get(str(shard_for(number)), number)
            owner, history = chance.choice((A, B, C, None)), chance.sample((A, B, C), chance.randint(0, 2))
            after = number_document(number, owner, pvt_reserve_history=history)
            try:
                accounts.databases.database(SHARD).put({**after, "_rev": (before or {})["_rev"]})
            except ConflictError:
                continue
            assert copies.update([change(before, after)]) == {}

    with ThreadPoolExecutor(5) as pool:
        list(pool.map(work, range(5)))

    assert differing(accounts, mode) == 0


def test_unwritable_assignee_leaves_the_number_where_it_was(accounts: Accounts, relay: Relay) -> None:
    accounts.number()
    direct(accounts).repair([NUMBER])
    accounts.number(assigned_to=B)
    relay.cut(lambda method, target: method == "PUT" and target.startswith("/account/bb"))

    result = accounts.copies().update([change(number_document(), number_document(assigned_to=B))])

    assert list(result) == [NUMBER]
    assert result[NUMBER].startswith(f"account {B}: CouchDB at ")
    assert accounts.whereabouts() == "a"
    relay.cut(lambda *_: False)
    assert accounts.copies().repair([NUMBER], {NUMBER: [A]}) == {}
    assert accounts.whereabouts() == "b"


def test_other_accounts_are_written_though_one_can_not_be_read(accounts: Accounts, relay: Relay) -> None:
    for number, account in ((NUMBER, A), (OTHER, B)):
        accounts.number(number, account)
    relay.cut(lambda _, target: target.startswith("/account/aa"))

    result = accounts.copies().repair([NUMBER, OTHER])

    assert list(result) == [NUMBER]
    assert (accounts.whereabouts(), accounts.whereabouts(OTHER)) == ("", "b")


def test_number_database_that_can_not_be_asked_changes_nothing(accounts: Accounts, relay: Relay) -> None:
    accounts.number(assigned_to=B)
    accounts.write_listing(A, **{NUMBER: {}})
    relay.cut(lambda _, target: target.startswith("/numbers/"))

    result = accounts.copies().repair([NUMBER], {NUMBER: [A]})

    assert result[NUMBER].startswith("numbers/+1415 can't be read: CouchDB at ")
    assert accounts.whereabouts() == "a"


def test_account_that_can_not_be_read_does_not_stop_a_comparison(accounts: Accounts, relay: Relay) -> None:
    for number, account in ((NUMBER, A), (OTHER, B)):
        accounts.number(number, account)
    relay.cut(lambda _, target: target.startswith("/account/aa"))
    comparison = CopiesComparison(accounts.used, accounts.copies(), recheck_delays=(0.0,))
    comparison.note(next(accounts.databases.database(SHARD).all_documents(10)))

    found = comparison.find()

    assert [(each.account, each.number) for each in found] == [(B, OTHER)]
    assert (list(comparison.unread), comparison.accounts) == ([A], 2)


def test_comparison_ends_when_no_account_can_be_read(accounts: Accounts, relay: Relay) -> None:
    for letter in "def":
        accounts.create(str(account_database(letter * 32)))
    relay.cut(lambda _, target: target.startswith("/account/"))

    with pytest.raises(CouchUnavailable):
        CopiesComparison(accounts.used, accounts.copies()).find()
