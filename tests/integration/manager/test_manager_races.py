"""Several write to one number: nobody overwrites another, and what stands is the outcome of a legal sequence."""

import random
import threading
from collections import Counter, defaultdict
from collections.abc import Sequence

from router.couch.database import CouchDatabase
from router.couch.responses import Latest
from router.couch.server import CouchServer
from router.lifecycle.operations import SYSTEM, Operation, OperationRequest
from router.manager.outcomes import Outcome
from router.numbers.documents import NumberDocument
from tests.integration.manager_stores import CHILD, INVENTORY, MASTER, RESELLER, SHARD, STRANGER, Manager, family
from tests.integration.real_stores import NUMBER, RealStores

TIMES = 1000
LEGAL = {
    ("available", "reserve"): {"reserved"},
    ("reserved", "reserve"): {"reserved"},
    ("in_service", "reserve"): {"reserved"},
    ("available", "move"): {"in_service"},
    ("reserved", "move"): {"in_service"},
    ("in_service", "move"): {"in_service"},
    ("reserved", "release"): {"reserved", "available"},
    ("in_service", "release"): {"reserved", "available"},
}


class Racer:
    """One writer: its own manager, its own connections, asks at random and keeps what it was told."""

    def __init__(self, stores: RealStores, seed: int) -> None:
        self.manager = Manager(stores, account_copies="none").manager
        self.random = random.Random(seed)
        self.reported: list[tuple[OperationRequest, Outcome]] = []

    def run(self, times: int) -> None:
        for _ in range(times):
            ask = self._ask()
            self.reported.append((ask, self.manager.carry_out([ask])[0]))

    def _ask(self) -> OperationRequest:
        account = self.random.choice((RESELLER, CHILD, STRANGER))
        operation = self.random.choice((Operation.RESERVE, Operation.MOVE, Operation.RELEASE))
        return OperationRequest(
            operation, NUMBER, SYSTEM, assign_to=None if operation is Operation.RELEASE else account
        )


def test_two_race_a_thousand_times_and_the_history_is_a_legal_sequence(stores: RealStores) -> None:
    family(stores)
    Manager(stores).created(state="available", assign_to=None)
    racers = [Racer(stores, seed) for seed in (1, 2)]
    threads = [threading.Thread(target=racer.run, args=(TIMES // 2,)) for racer in racers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    written = [
        (ask, outcome.document)
        for racer in racers
        for ask, outcome in racer.reported
        if _wrote(outcome) and outcome.document
    ]
    by_generation: defaultdict[int, list[tuple[OperationRequest, NumberDocument]]] = defaultdict(list)
    for ask, document in written:
        by_generation[_generation(document)].append((ask, document))
    # Each generation was reported by who wrote it: none was lost. By both, where both made the same of the same.
    assert sorted(by_generation) == list(range(2, len(by_generation) + 2))
    last = stores.databases.database(SHARD).get(NUMBER)
    assert last["_rev"] == by_generation[max(by_generation)][0][1].revision

    state = "available"
    account: str | None = None
    history: tuple[str, ...] = ()
    for generation in sorted(by_generation):
        for ask, document in by_generation[generation]:
            assert document.revision == by_generation[generation][0][1].revision
            assert document.state in LEGAL[state, ask.operation.value], (generation, state, ask)
            _follows(ask, account, history, document)
        document = by_generation[generation][0][1]
        state, account, history = document.state or "", document.assigned_to, document.reserve_history
    refused = Counter(outcome.error.error for racer in racers for _, outcome in racer.reported if outcome.error)
    assert set(refused) <= {"no_change_required", "invalid_state_transition"}, refused
    assert len(by_generation) > TIMES / 2


def _wrote(outcome: Outcome) -> bool:
    return outcome.error is None and not outcome.unchanged


def _generation(document: NumberDocument) -> int:
    return int(document.revision.partition("-")[0])


def _follows(ask: OperationRequest, account: str | None, history: tuple[str, ...], after: NumberDocument) -> None:
    """Check that the document after an operation is what that operation makes of the one before it."""
    if ask.operation is Operation.RELEASE:
        left = tuple(each for each in history if each != account)
        assert after.assigned_to == (left[0] if left else None)
        assert set(after.reserve_history) == set(left)
    else:
        assert after.assigned_to == ask.assign_to
        pushed = ask.operation is Operation.RESERVE and history[:1] != (ask.assign_to,)
        assert after.reserve_history == ((ask.assign_to, *history) if pushed else history)
    if after.assigned_to != account and account is not None:
        assert after.previously_assigned_to == account


def test_of_many_who_create_a_number_one_does(stores: RealStores) -> None:
    family(stores)
    managers = [Manager(stores, account_copies="none") for _ in range(6)]
    result: list[str] = []

    def create(manager: Manager, index: int) -> None:
        for number in range(20):
            ask = OperationRequest(
                Operation.CREATE, f"+1415886{number:04}", SYSTEM, assign_to=f"{index:032}", module_name=INVENTORY
            )
            error = manager.manager.carry_out([ask])[0].error
            result.append(error.error if error else "done")

    threads = [threading.Thread(target=create, args=(each, index)) for index, each in enumerate(managers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(result) == {"done": 20, "number_exists": 100}


def test_handwritten_change_in_between_is_not_overwritten(stores: RealStores) -> None:
    family(stores)
    manager = Manager(stores)
    manager.created()
    hands = _Hands(stores)
    manager.manager._pipeline._reader._databases = hands
    manager.done("assign_to_app", auth_by=CHILD, used_by="callflow")
    document = stores.databases.database(SHARD).get(NUMBER)
    assert (document["pvt_used_by"], document["note"]) == ("callflow", "by hand 2")


def test_update_with_constant_conflicts_is_refused(stores: RealStores) -> None:
    family(stores)
    manager = Manager(stores)
    manager.created()
    manager.manager._pipeline._reader._databases = _Hands(stores, times=1000)
    outcome = manager.ask("assign_to_app", auth_by=MASTER, used_by="callflow")
    assert outcome.error is not None
    assert (outcome.error.error, outcome.error.cause) == ("internal_error", "conflict")
    assert "pvt_used_by" not in stores.databases.database(SHARD).get(NUMBER)


class _Hands(CouchServer):
    """Another client edits the document each time that it was just read, for a while."""

    def __init__(self, stores: RealStores, times: int = 2) -> None:
        super().__init__(stores.databases.client)
        self.left = times
        self.count = 0

    def database(self, name: str) -> CouchDatabase:
        return _EditedDatabase(self, name)


class _EditedDatabase(CouchDatabase):
    def __init__(self, hands: _Hands, name: str) -> None:
        super().__init__(hands.client, hands.client, name)
        self._hands = hands

    def get_latest(self, identifiers: Sequence[str]) -> dict[str, Latest]:
        found = super().get_latest(identifiers)
        if self._hands.left and self.name == SHARD:
            self._hands.left, self._hands.count = self._hands.left - 1, self._hands.count + 1
            self.put({**self.get(NUMBER), "note": f"by hand {self._hands.count}"})
        return found
