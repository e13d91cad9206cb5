"""Many changes of every kind at once, while lookups fill the cache too: in the end the cache says what is true."""

import random
import threading
from collections.abc import Callable

import pytest

from router.couch.errors import ConflictError, NotFoundError
from router.numbers.shards import shard_for
from tests.integration.conftest import Running, StartService
from tests.integration.real_stores import ONE, THREE, TWO, RealStores
from tests.support.waiting import eventually

SHARDS = ("numbers/+1415", "numbers/+1442", "numbers/+4420")
NUMBERS = [f"{shard.removeprefix('numbers/')}{index:07}" for shard in SHARDS for index in range(12)]
STEPS = 250


class Storm:
    """Changes things at random, always in the same order for a seed."""

    def __init__(self, stores: RealStores, running: Running, seed: int) -> None:
        self.stores, self.running = stores, running
        self.random = random.Random(seed)

    def run(self) -> None:
        acts: list[tuple[Callable[[], None], int]] = [
            (self._write, 60),
            (self._write_many, 10),
            (self._delete, 12),
            (self._ask, 40),
            (self._purge, 3),
            (self._drop, 3),
            (self._conflict, 6),
            (self._flush, 1),
        ]
        for act in self.random.choices([each for each, _ in acts], [weight for _, weight in acts], k=STEPS):
            try:
                act()
            except (ConflictError, NotFoundError):
                continue

    def _number(self) -> str:
        return self.random.choice(NUMBERS)

    def _write(self) -> None:
        state = self.random.choice(["in_service", "in_service", "available"])
        self.stores.number(self._number(), self.random.choice([ONE, TWO, THREE]), pvt_number_state=state)

    def _write_many(self) -> None:
        for _ in range(10):
            self._write()

    def _delete(self) -> None:
        number = self._number()
        self.stores.remove(str(shard_for(number)), number)

    def _ask(self) -> None:
        for _ in range(3):
            self.running.caller.ask(self._number(), authoritative=self.random.random() < 0.3)

    def _purge(self) -> None:
        number = self._number()
        shard = str(shard_for(number))
        revision = self.stores.databases.database(shard).get(number)["_rev"]
        self.stores.databases.client.request("POST", [shard, "_purge"], {number: [revision]})

    def _drop(self) -> None:
        self.stores.databases.database(self.random.choice(SHARDS)).drop()

    def _conflict(self) -> None:
        number = self._number()
        shard = str(shard_for(number))
        generation, digest = self.random.randrange(1, 30), f"{self.random.randrange(16):x}" * 32
        document = {
            "_id": number,
            "_rev": f"{generation}-{digest}",
            "pvt_type": "number",
            "pvt_number_state": "in_service",
            "pvt_assigned_to": self.random.choice([ONE, TWO, THREE]),
        }
        self.stores.databases.client.request("POST", [shard, "_bulk_docs"], {"docs": [document], "new_edits": False})

    def _flush(self) -> None:
        self.stores.redis.flushall()


def _true(stores: RealStores, number: str) -> str:
    """Return what the cache may hold for a number's document, where it holds anything."""
    try:
        document = stores.databases.database(str(shard_for(number))).get(number)
    except NotFoundError:
        return "nothing"
    return str(document["pvt_assigned_to"]) if document["pvt_number_state"] == "in_service" else "refusal"


def _wrong(stores: RealStores) -> list[tuple[str, str, str]]:
    found = []
    for number in NUMBERS:
        held, true = stores.cached(number), _true(stores, number)
        agrees = held in {"", "deleted", "nothing"} if true == "nothing" else held == true
        if not agrees:
            found.append((number, held, true))
    return found


@pytest.mark.parametrize("seed", [1, 2])
def test_cache_after_a_storm_equals_the_databases(stores: RealStores, start_service: StartService, seed: int) -> None:
    # What a lookup read of a database that no follower knows yet is right only as long as it is kept.
    running = start_service(with_follower=True, follower_max_feeds=2, follower_batch_size=7, fill_ttl=3)
    running.wait_ready()
    storms = [threading.Thread(target=Storm(stores, running, seed * 10 + index).run) for index in range(2)]
    for each in storms:
        each.start()
    for each in storms:
        each.join()
    eventually(lambda: not _wrong(stores), 20, every=0.3)
    for number in NUMBERS:
        result = running.caller.account(number)
        assert result == {"nothing": "NUMBER_NOT_FOUND", "refusal": "NOT_IN_SERVICE"}.get(
            true := _true(stores, number), true
        )
