"""Documents that people purge, and revisions that stand in conflict: the database's own history is not a line."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from typing import Any

from router.couch.errors import CouchError
from router.numbers.shards import database_of
from tests.faults.ledger import NOBODY
from tests.faults.scene import Scene
from tests.faults.stage import NUMBERS

_DIGEST = 32


@contextmanager
def purged(scene: Scene) -> Iterator[None]:
    """A document is purged: nothing says so but the database's `purge_seq`; later there is a first revision again."""
    number = scene.chance.choice(NUMBERS)
    writers, ledger = scene.writers, scene.writers.ledger
    with _turns(scene):
        revisions = [str(leaf["_rev"]) for leaf in _leaves(scene, number)]
        if revisions:
            claim = ledger.claim(number, NOBODY)
            scene.stage.databases.couch.request("POST", [_database(number), "_purge"], {number: revisions})
            ledger.acknowledge(claim, writers.quiet)
    yield
    with _turns(scene):
        if not ledger.current(number) - {NOBODY}:
            writers.write_by_hand(number)


def conflict_wins(scene: Scene) -> AbstractContextManager[None]:
    """A replicated revision wins over what stands; when it is deleted, the former owner has the number again.

    What is written in between is written upon the winner, and goes with it.
    """
    return _conflict_for_a_while(scene, digit="f")


def conflict_loses(scene: Scene) -> AbstractContextManager[None]:
    """A replicated revision stands behind the winner, and comes up when that is deleted."""
    return _conflict_for_a_while(scene, digit="0")


@contextmanager
def _conflict_for_a_while(scene: Scene, *, digit: str) -> Iterator[None]:
    """See `_conflict`; what loses has the number in the end."""
    number = scene.chance.choice(NUMBERS)
    loser: dict[str, Any] = {}
    with _turns(scene):
        loser = _conflict(scene, number, digit=digit)
    yield
    if loser:
        with _turns(scene):
            _resolve(scene, number, loser)


def _conflict(scene: Scene, number: str, *, digit: str) -> dict[str, Any]:
    """Write a sibling of the winner, of the same generation, that wins or loses by its hash; returns which loses."""
    database, ledger = _database(number), scene.writers.ledger
    winner = dict(scene.stage.databases.document(database, number))
    generation = int(str(winner["_rev"]).partition("-")[0])
    account = scene.writers.next_account()
    sibling = {**winner, "_rev": f"{generation}-{digit * _DIGEST}", "pvt_assigned_to": account}
    wins = digit == "f"
    claim = ledger.claim(number, account) if wins else None
    body = {"docs": [sibling], "new_edits": False}
    scene.stage.databases.couch.request("POST", [database, "_bulk_docs"], body)
    if claim is not None:
        ledger.acknowledge(claim, scene.writers.quiet)
    return winner if wins else sibling


def _resolve(scene: Scene, number: str, loser: dict[str, Any]) -> None:
    """Delete what wins now, and have its loser back."""
    database, ledger = _database(number), scene.writers.ledger
    revision = str(scene.stage.databases.document(database, number)["_rev"])
    claim = ledger.claim(number, str(loser["pvt_assigned_to"]))
    scene.stage.databases.delete(database, number, revision)
    if scene.stage.databases.document(database, number)["_rev"] == loser["_rev"]:
        ledger.acknowledge(claim, scene.writers.quiet)


def _leaves(scene: Scene, number: str) -> list[dict[str, Any]]:
    """Every revision of a document that stands, deleted ones too."""
    try:
        answer = scene.stage.databases.couch.request("GET", [_database(number), number], open_revs="all")
    except CouchError:
        return []
    return [each["ok"] for each in answer if "ok" in each]


def _database(number: str) -> str:
    return str(database_of(number))


@contextmanager
def _turns(scene: Scene) -> Iterator[None]:
    """Nobody else writes. A database that is away leaves open what was being done."""
    with ExitStack() as stack, suppress(CouchError):
        for turn in scene.writers.turns:
            stack.enter_context(turn)
        yield
