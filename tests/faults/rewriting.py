"""Documents that people purge, and revisions that stand in conflict: the database's own history is not a line."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from http import HTTPStatus
from typing import Any

from router.couch.errors import CouchError
from router.numbers.shards import shard_for
from tests.faults.deployment import NUMBERS
from tests.faults.harness import Harness
from tests.faults.ledger import NOBODY

_DIGEST, _FIRST = 32, 8
"""Hex digits of a revision's hash, and how many of them say whether it wins."""
_ALL_COPIES = 99
"""Copies to read: more than there are."""


@contextmanager
def purged(harness: Harness) -> Iterator[None]:
    """A document is purged: nothing says so but the database's `purge_seq`; later there is a first revision again."""
    number = harness.chance.choice(NUMBERS)
    writers, ledger = harness.writers, harness.writers.ledger
    with all_turns(harness):
        revisions = [str(leaf["_rev"]) for leaf in _leaves(harness, number)]
        if revisions:
            claim = ledger.claim(number, NOBODY)
            harness.deployment.databases.client.request("POST", [_database(number), "_purge"], {number: revisions})
            ledger.acknowledge(claim, writers.quiet)
    yield
    with all_turns(harness):
        if not ledger.current(number) - {NOBODY}:
            writers.write_by_hand(number)


def conflict_wins(harness: Harness) -> AbstractContextManager[None]:
    """A replicated revision wins over what stands; when it is deleted, the former owner has the number again.

    What is written in between is written upon the winner, and goes with it.
    """
    return _conflict_for_a_while(harness, digit="f")


def conflict_loses(harness: Harness) -> AbstractContextManager[None]:
    """A replicated revision stands behind the winner, and comes up when that is deleted."""
    return _conflict_for_a_while(harness, digit="0")


@contextmanager
def _conflict_for_a_while(harness: Harness, *, digit: str) -> Iterator[None]:
    """See `conflict`; what loses has the number in the end."""
    number = harness.chance.choice(NUMBERS)
    loser: dict[str, Any] = {}
    with all_turns(harness):
        loser = conflict(harness, number, digit=digit)
    yield
    if loser:
        with all_turns(harness):
            resolve(harness, number, loser)


def sibling(harness: Harness, document: dict[str, Any], *, digit: str) -> dict[str, Any]:
    """Return a revision of the same generation and of another account, that wins ("f") or loses ("0") by its hash."""
    generation = str(document["_rev"]).partition("-")[0]
    digest = digit * _FIRST + f"{harness.chance.getrandbits(128):032x}"[_FIRST:_DIGEST]
    return {**document, "_rev": f"{generation}-{digest}", "pvt_assigned_to": harness.writers.next_account()}


def conflict(harness: Harness, number: str, *, digit: str) -> dict[str, Any]:
    """Write a sibling of the winner; returns which of the two loses."""
    database, writers = _database(number), harness.writers
    before = dict(harness.deployment.databases.database(database).get(number))
    beside = sibling(harness, before, digit=digit)
    wins = digit == "f"
    claim = writers.ledger.claim(number, beside["pvt_assigned_to"], contested=writers.contested) if wins else None
    body = {"docs": [beside], "new_edits": False}
    try:
        answer = harness.deployment.databases.client.send("POST", [database, "_bulk_docs"], body)
    except CouchError:
        if claim is None:  # it may stand all the same, and come up when what wins is deleted
            writers.ledger.claim(number, beside["pvt_assigned_to"], contested=writers.contested)
        raise
    if claim is not None and answer.status != HTTPStatus.ACCEPTED:
        writers.ledger.acknowledge(claim, writers.quiet)
    return before if wins else beside


def resolve(harness: Harness, number: str, loser: dict[str, Any]) -> None:
    """Delete what wins now; the number goes to its loser, or to whoever else stands in conflict behind it."""
    database, writers = _database(number), harness.writers
    revision = str(harness.deployment.databases.database(database).get(number)["_rev"])
    claim = writers.ledger.claim(number, str(loser["pvt_assigned_to"]), contested=writers.contested)
    answer = harness.deployment.databases.client.send("DELETE", [database, number], rev=revision)
    # A read of a majority may name the winner for a tenth of a second after CouchDB acknowledged its deletion.
    for _ in range(2):
        left = harness.deployment.databases.client.request("GET", [database, number], r=_ALL_COPIES)
    if left["_rev"] != loser["_rev"]:
        came_up = writers.ledger.claim(number, str(left["pvt_assigned_to"]), contested=writers.contested)
        came_up.sent, claim = claim.sent, came_up
    if answer.status != HTTPStatus.ACCEPTED:
        writers.ledger.acknowledge(claim, writers.quiet)


def _leaves(harness: Harness, number: str) -> list[dict[str, Any]]:
    """Every revision of a document that stands, deleted ones too."""
    try:
        answer = harness.deployment.databases.client.request("GET", [_database(number), number], open_revs="all")
    except CouchError:
        return []
    return [each["ok"] for each in answer if "ok" in each]


def _database(number: str) -> str:
    return str(shard_for(number))


@contextmanager
def all_turns(harness: Harness) -> Iterator[None]:
    """Run all turns; there is no other writer. A database that is away leaves open what was being done."""
    with ExitStack() as stack, suppress(CouchError):
        for turn in harness.writers.turns:
            stack.enter_context(turn)
        yield
