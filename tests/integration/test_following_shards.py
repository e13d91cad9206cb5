"""Number databases come, go, change and come back, and the cache says what they say."""

import contextlib
import random
import re
import time
from typing import Any

import pytest
from redis import RedisError

from router.entries import codec, entry_builder
from router.follower.applier import APPLY_BATCH_SIZE
from router.numbers.routes import Route
from router.redis_store.entries import EntryStore
from router.settings.rules import build_rules
from tests.integration.conftest import StartFollower
from tests.integration.relay import Relay
from tests.integration.waiting import eventually
from tests.integration.world import NUMBER, ONE, THREE, TWO, World

SHARD = "numbers/+1415"
_SECOND_PAGE = r"GET /numbers/\+1415/_changes\?(?!.*since=0)(?!.*feed=)"


def _is_second_page(method: str, target: str) -> bool:
    """Return whether a request goes on reading a whole database."""
    return re.match(_SECOND_PAGE, f"{method} {target}") is not None


def test_what_is_there_is_filled_in(world: World, start_follower: StartFollower) -> None:
    revision = world.number()
    world.number("+14420000001", TWO, pvt_number_state="available")
    start_follower()
    eventually(lambda: world.cached() == ONE)
    held = world.held()
    assert held is not None
    assert held.revision == revision
    eventually(lambda: world.cached("+14420000001") == "refusal")
    eventually(lambda: world.complete(SHARD, "numbers/+1442"))


def test_what_the_feed_tells_before_the_first_comparison_is_not_taken_for_leftovers(
    world: World, start_follower: StartFollower
) -> None:
    world.number()
    with Relay(world.couchdb_url) as relay:
        world.couchdb_url = relay.url
        # The first comparison reads the configuration, then removes what is left of unknown databases.
        relay.hold(lambda _, target: target == "/system_config")
        start_follower()
        eventually(lambda: relay.count("GET /system_config$"))
        world.number("+14150000001", TWO)
        with contextlib.suppress(AssertionError):
            eventually(lambda: world.complete(SHARD), 1.5)
        relay.release()
        eventually(lambda: world.complete(SHARD, "system_config"))
        eventually(lambda: world.cached() == ONE, 3)
        eventually(lambda: world.cached("+14150000001") == TWO, 3)


def test_what_changes_behind_the_reading_of_a_whole_database_is_not_lost(
    world: World, start_follower: StartFollower
) -> None:
    names = world.numbers(SHARD, 300)
    with Relay(world.couchdb_url) as relay:
        world.couchdb_url = relay.url
        # The first page is read, the second is on its way.
        relay.hold(_is_second_page)
        start_follower(follower_batch_size=100)
        eventually(lambda: relay.count(_SECOND_PAGE))
        eventually(lambda: sum(world.cached(name) == ONE for name in names) == 100)
        moved, deleted, *_ = (name for name in names if world.cached(name) == ONE)
        world.number(moved, TWO)
        world.remove(SHARD, deleted)
        assert not world.complete(SHARD)
        relay.release()
        eventually(lambda: world.complete(SHARD))
        assert world.cached(moved) == TWO
        assert world.cached(deleted) not in {ONE, TWO}
        assert sum(world.cached(name) == ONE for name in names) == 298


def test_a_deletion_behind_an_interrupted_reading_of_a_whole_database_is_not_lost(
    world: World, start_follower: StartFollower
) -> None:
    names = world.numbers(SHARD, 300)
    with Relay(world.couchdb_url) as relay:
        world.couchdb_url = relay.url
        relay.cut(_is_second_page)
        start_follower(follower_batch_size=100)
        eventually(lambda: relay.count(_SECOND_PAGE))
        deleted = next(name for name in names if world.cached(name) == ONE)
        world.remove(SHARD, deleted)
        relay.cut(lambda *_: False)
        eventually(lambda: world.complete(SHARD))
        assert world.cached(deleted) != ONE
        assert sum(world.cached(name) == ONE for name in names) == 299


def test_a_deletion_while_nobody_followed_is_not_lost_when_answers_are_made_differently(
    world: World, start_follower: StartFollower
) -> None:
    deleted, kept, *_ = world.numbers(SHARD, 3)
    follower = start_follower()
    eventually(lambda: world.complete(SHARD, "system_config") and world.cached(deleted) == ONE)
    follower.stop()
    world.remove(SHARD, deleted)
    shape = world.writer.checkpoints.get(SHARD).fingerprint
    world.configure(default_force_outbound=True)
    start_follower()

    def is_made_differently() -> bool:
        # Of one reading: between two of them it may be begun anew.
        checkpoint = world.writer.checkpoints.get(SHARD)
        return checkpoint.complete and checkpoint.fingerprint != shape

    eventually(is_made_differently)
    assert world.cached(deleted) != ONE
    assert world.cached(kept) == ONE


def test_what_a_lookup_read_before_the_reading_of_a_whole_database_began_does_not_outlive_its_deletion(
    world: World, start_follower: StartFollower
) -> None:
    deleted, *_ = world.numbers(SHARD, 3)
    with Relay(world.couchdb_url) as relay:
        world.couchdb_url = relay.url
        relay.hold(lambda _, target: SHARD in target and "since=0" in target)
        start_follower()
        eventually(lambda: relay.count(r"GET /numbers/\+1415/_changes\?.*since=0"))
        epoch = world.writer.checkpoints.epoch(SHARD)
        document = world.databases.database(SHARD).get(deleted)
        world.remove(SHARD, deleted)
        policy = build_rules(world.settings(), None).policy
        made = entry_builder.entry_from_json(document, SHARD, policy, int(time.time()))
        assert isinstance(made, codec.Entry)
        world.writer.entries.fill(SHARD, epoch, [(deleted, made)])
        relay.release()
        eventually(lambda: world.complete(SHARD))
        assert world.cached(deleted) != ONE


def test_what_is_left_of_a_former_life_goes_even_if_its_removal_was_interrupted(
    world: World, start_follower: StartFollower, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.numbers(SHARD, 3)
    old = f"{SHARD.removeprefix('numbers/')}0000002"
    follower = start_follower()
    eventually(lambda: world.complete(SHARD) and world.cached(old) == ONE)
    follower.stop()
    before = world.databases.database(SHARD).info().instance
    world.databases.database(SHARD).drop()
    while str(int(time.time())) == before:
        time.sleep(0.01)
    world.numbers(SHARD, 1, TWO)

    failed = []

    def interrupted(*_: object) -> int:
        failed.append(True)
        raise RedisError("Redis went away")

    with monkeypatch.context() as patch:
        patch.setattr(EntryStore, "remove_databases", interrupted)
        follower = start_follower()
        assert follower.leading.wait(10)
        eventually(lambda: failed)
        follower.stop()
    start_follower()
    eventually(lambda: world.complete(SHARD) and world.cached(f"{SHARD.removeprefix('numbers/')}0000000") == TWO)
    assert world.cached(old) == ""


def test_a_change_arrives_and_so_does_the_next(world: World, start_follower: StartFollower) -> None:
    world.number()
    start_follower()
    eventually(lambda: world.cached() == ONE)
    for account in (TWO, THREE, ONE):
        world.number(account=account)
        eventually(lambda account=account: world.cached() == account)  # type: ignore[misc]


def test_a_busy_feed_is_checked_no_more_often_than_one_that_is_quiet(
    world: World, start_follower: StartFollower
) -> None:
    world.number()
    with Relay(world.couchdb_url) as relay:
        world.couchdb_url = relay.url
        start_follower()
        eventually(lambda: world.complete(SHARD) and world.cached() == ONE)
        world.number(account=TWO)
        eventually(lambda: relay.count(r"GET /numbers/\+1415/_changes\?.*feed=continuous"))
        eventually(lambda: world.cached() == TWO)
        began, checks = time.monotonic(), relay.count(r"GET /numbers/\+1415$")
        while time.monotonic() - began < 4.0:
            world.number(account=random.choice((ONE, THREE)))
            time.sleep(0.02)
        assert relay.count(r"GET /numbers/\+1415$") - checks <= 3


def test_a_shard_that_appears_is_followed(world: World, start_follower: StartFollower) -> None:
    start_follower()
    eventually(lambda: world.complete("accounts"))
    world.number()
    eventually(lambda: world.cached() == ONE)
    world.number(account=TWO)
    eventually(lambda: world.cached() == TWO)


def test_a_shard_that_vanishes_takes_its_numbers_along(world: World, start_follower: StartFollower) -> None:
    names = world.numbers(SHARD, 300)
    world.number("+14420000001", TWO)
    start_follower()
    eventually(lambda: all(world.cached(name) == ONE for name in (names[0], names[-1])))
    eventually(lambda: world.cached("+14420000001") == TWO)
    world.databases.database(SHARD).drop()
    eventually(lambda: not any(world.reader.entries(names)))
    eventually(lambda: SHARD not in world.writer.checkpoints.databases())
    assert world.cached("+14420000001") == TWO


def test_a_shard_that_vanished_while_nobody_followed(world: World, start_follower: StartFollower) -> None:
    world.number()
    follower = start_follower()
    eventually(lambda: world.cached() == ONE and world.complete(SHARD))
    follower.stop()
    world.databases.database(SHARD).drop()
    start_follower()
    eventually(lambda: world.cached() == "")
    eventually(lambda: SHARD not in world.writer.checkpoints.databases())


def test_a_shard_made_anew_has_other_owners_and_fewer_numbers(world: World, start_follower: StartFollower) -> None:
    for account in (ONE, TWO, ONE):
        world.number(account=account)
    world.number("+14150000001")
    start_follower()
    eventually(lambda: world.complete(SHARD) and world.cached() == ONE)
    world.databases.database(SHARD).drop()
    world.number(account=THREE)
    eventually(lambda: world.cached() == THREE)
    eventually(lambda: world.cached("+14150000001") == "")


def _make_anew_within_a_second(world: World, shard: str, number: str) -> bool:
    """Return whether both lives of the shard have the same instance_start_time."""
    while time.time() % 1 > 0.02:
        time.sleep(0.005)
    for account in (ONE, TWO, ONE):
        world.number(number, account)
    world.number(number[:-1] + "1", ONE)
    eventually(lambda: world.cached(number) == ONE)
    before = world.databases.database(shard).info().instance
    world.databases.database(shard).drop()
    world.number(number, THREE)
    return world.databases.database(shard).info().instance == before


def test_a_shard_made_anew_within_the_same_second_is_noticed(world: World, start_follower: StartFollower) -> None:
    start_follower(follower_reconcile_interval=60)
    eventually(lambda: world.complete("accounts"))
    for attempt in range(8):
        shard, number = f"numbers/+144{attempt}", f"+144{attempt}0000000"
        if _make_anew_within_a_second(world, shard, number):
            eventually(lambda number=number: world.cached(number) == THREE)  # type: ignore[misc]
            eventually(lambda number=number: world.cached(number[:-1] + "1") == "")  # type: ignore[misc]
            return
    pytest.skip("this machine is too slow to make a database anew within a second")


def test_a_database_that_comes_into_being_is_no_warning(
    world: World, start_follower: StartFollower, caplog: pytest.LogCaptureFixture
) -> None:
    start_follower()
    eventually(lambda: world.complete("accounts", "port_requests", "system_config"))
    world.account(ONE)
    eventually(lambda: world.redis.hexists(world.keys.documents("accounts"), ONE))
    world.number()
    eventually(lambda: world.cached() == ONE)
    assert [each for each in caplog.messages if "recreated" in each] == []


def _wait_reported(world: World, since: str, *events: tuple[str, str]) -> None:
    """Until the feed of updates told of these: who begins to listen now hears nothing of them."""

    def reported() -> bool:
        rows = world.databases.client.request("GET", ["_db_updates"], since=since)["results"]
        return set(events) <= {(row["type"], row["db_name"]) for row in rows}

    eventually(reported)


def test_a_shard_made_anew_while_nobody_followed(world: World, start_follower: StartFollower) -> None:
    for account in (ONE, TWO, ONE):
        world.number(account=account)
    world.number("+14150000001")
    follower = start_follower()
    eventually(lambda: world.complete(SHARD) and world.cached() == ONE)
    follower.stop()
    before, since = world.databases.database(SHARD).info().instance, world.databases.updates_now()
    world.databases.database(SHARD).drop()
    while str(int(time.time())) == before:
        time.sleep(0.01)
    world.number(account=THREE)
    _wait_reported(world, since, ("deleted", SHARD), ("created", SHARD), ("updated", SHARD))
    start_follower()
    eventually(lambda: world.cached() == THREE)
    eventually(lambda: world.cached("+14150000001") == "")


def test_a_purged_document_takes_its_answer_along(world: World, start_follower: StartFollower) -> None:
    revision = world.number()
    world.number("+14150000001", TWO)
    start_follower()
    eventually(lambda: world.complete(SHARD) and world.cached() == ONE)
    world.databases.client.request("POST", [SHARD, "_purge"], {NUMBER: [revision]})
    eventually(lambda: world.cached() == "")
    eventually(lambda: world.cached("+14150000001") == TWO)


def _plant(world: World, *documents: dict[str, Any]) -> None:
    """Write revisions as a replication does."""
    world.create(SHARD)
    world.databases.client.request("POST", [SHARD, "_bulk_docs"], {"docs": list(documents), "new_edits": False})


def _revision(generation: int, digit: str, account: str) -> dict[str, Any]:
    return {
        "_id": NUMBER,
        "_rev": f"{generation}-{digit * 32}",
        "pvt_type": "number",
        "pvt_number_state": "in_service",
        "pvt_assigned_to": account,
    }


def test_a_conflict_resolved_towards_a_lower_generation(world: World, start_follower: StartFollower) -> None:
    _plant(world, _revision(5, "a", ONE), _revision(2, "b", TWO))
    start_follower()
    eventually(lambda: world.complete(SHARD) and world.cached() == ONE)
    world.databases.database(SHARD).delete(NUMBER, "5-" + "a" * 32)
    eventually(lambda: world.cached() == TWO)
    held = world.held()
    assert held is not None
    assert held.revision == "2-" + "b" * 32


def test_a_conflict_resolved_while_nobody_followed(world: World, start_follower: StartFollower) -> None:
    _plant(world, _revision(5, "a", ONE), _revision(2, "b", TWO))
    follower = start_follower()
    eventually(lambda: world.complete(SHARD) and world.cached() == ONE)
    follower.stop()
    world.databases.database(SHARD).delete(NUMBER, "5-" + "a" * 32)
    start_follower()
    eventually(lambda: world.cached() == TWO)


def test_a_losing_revision_changes_nothing(world: World, start_follower: StartFollower) -> None:
    _plant(world, _revision(5, "a", ONE))
    start_follower()
    eventually(lambda: world.complete(SHARD) and world.cached() == ONE)
    _plant(world, _revision(4, "f", TWO))
    world.number("+14150000001", THREE)
    eventually(lambda: world.cached("+14150000001") == THREE)
    assert world.cached() == ONE


def test_revisions_that_no_couchdb_makes_hurt_no_other_number(world: World, start_follower: StartFollower) -> None:
    odd = [{**_revision(1, "a", ONE), "_id": f"+1415000000{index}"} for index in range(4)]
    revisions = [f"{2**32}-" + "a" * 32, f"{2**62}-" + "b" * 32, "1-short", "1-" + "z" * 32]
    for document, revision in zip(odd, revisions, strict=True):
        document["_rev"] = revision
    _plant(world, *odd)
    world.number()
    start_follower()
    eventually(lambda: world.complete(SHARD) and world.cached() == ONE)
    assert world.cached("+14150000002") == ONE


def test_a_deleted_document_and_its_coming_back(world: World, start_follower: StartFollower) -> None:
    world.number()
    start_follower()
    eventually(lambda: world.cached() == ONE)
    world.remove(SHARD, NUMBER)
    eventually(lambda: world.cached() == "deleted")
    world.number(account=TWO)
    eventually(lambda: world.cached() == TWO)
    held = world.held()
    assert held is not None
    assert held.revision.startswith("3-")


def test_a_document_that_came_and_went_is_remembered_as_deleted(world: World, start_follower: StartFollower) -> None:
    world.number("+14150000001")
    start_follower()
    eventually(lambda: world.complete(SHARD))
    world.number()
    world.remove(SHARD, NUMBER)
    eventually(lambda: world.cached() == "deleted")


def test_a_document_that_stops_being_a_number_takes_its_answer_away(
    world: World, start_follower: StartFollower
) -> None:
    world.number()
    world.number("+14150000001")
    start_follower()
    eventually(lambda: world.cached() == ONE)
    world.number(pvt_type="device")
    world.number("+14150000001", pvt_deleted=True)
    eventually(lambda: world.cached() == "deleted")
    eventually(lambda: world.cached("+14150000001") == "refusal")
    world.number()
    eventually(lambda: world.cached() == ONE)


@pytest.mark.parametrize("name", ["numbers/managed", "numbers/inum", "numbers/+14", "numbers/+14155", "numbers"])
def test_databases_that_are_no_shards_are_left_alone(world: World, start_follower: StartFollower, name: str) -> None:
    world.create(name)
    fields = {"pvt_type": "number", "pvt_number_state": "in_service", "pvt_assigned_to": TWO}
    world.databases.database(name).put({"_id": NUMBER, **fields})
    start_follower()
    world.number("+14150000001")
    eventually(lambda: world.cached("+14150000001") == ONE)
    world.databases.database(name).put({"_id": "+14150000001", **fields})
    world.number("+14150000002")
    eventually(lambda: world.cached("+14150000002") == ONE)
    assert world.cached() == ""
    assert world.cached("+14150000001") == ONE
    assert name not in world.writer.checkpoints.databases()


def test_a_number_in_another_numbers_shard_is_left_out(world: World, start_follower: StartFollower) -> None:
    world.number("+14420000001", ONE)
    fields = {"pvt_type": "number", "pvt_number_state": "in_service", "pvt_assigned_to": TWO}
    for identifier in ("+14420000001", "14158867900", "4158867900", "+1415", "+1415 886", "reception", "_design/x"):
        world.put(SHARD, identifier, **fields)
    world.number()
    start_follower()
    eventually(lambda: world.complete(SHARD, "numbers/+1442"))
    assert world.cached() == ONE
    assert world.cached("+14420000001") == ONE
    assert sorted(number for batch in world.writer.entries.scan() for _, number in batch) == sorted(
        # "+1415" is a shard's name and a number at once: somebody may ask for it.
        ["+1415", NUMBER, "+14420000001"]
    )


MALFORMED: list[dict[str, Any]] = [
    {},
    {"pvt_type": "number"},
    {"pvt_type": ["number"]},
    {"pvt_type": "number", "pvt_number_state": 5, "pvt_assigned_to": {}},
    {"pvt_type": "number", "pvt_features": {"cnam": 7, "failover": {"e164": [1]}}, "pvt_number_state": "in_service"},
    {"pvt_type": "number", "pvt_assigned_to": "é" * 20, "pvt_number_state": "in_service"},
    {"pvt_type": "number", "pvt_assigned_to": ONE, "pvt_number_state": "in_service", "cnam": "\U0001f600" * 1000},
    {"pvt_type": "number", "big": 10**15, "small": -1.5e300, "deep": [[[[[[{"a": None}]]]]]]},
]


def test_malformed_documents_hurt_no_other(world: World, start_follower: StartFollower) -> None:
    for index, document in enumerate(MALFORMED):
        world.put(SHARD, f"+1415000000{index}", **document)
    world.number()
    start_follower()
    eventually(lambda: world.complete(SHARD) and world.cached() == ONE)
    world.number(account=TWO)
    eventually(lambda: world.cached() == TWO)


def test_a_shard_of_many_pages_and_transactions(world: World, start_follower: StartFollower) -> None:
    names = world.numbers(SHARD, APPLY_BATCH_SIZE * 3 + 7)
    start_follower(follower_batch_size=APPLY_BATCH_SIZE + 51)
    eventually(lambda: world.complete(SHARD))
    assert all(world.reader.entries(names))
    documents = world.databases.database(SHARD).get_many(names)
    changed = [{**(each or {}), "pvt_assigned_to": TWO} for each in documents.values()]
    world.databases.database(SHARD).put_many(changed)
    eventually(lambda: all(world.cached(name) == TWO for name in names))


@pytest.mark.parametrize("feeds", [0, 1, 64])
def test_many_shards_change_at_once_whatever_the_feeds(world: World, start_follower: StartFollower, feeds: int) -> None:
    numbers = [f"+14{index:02}0000000" for index in range(12)]
    for number in numbers:
        world.number(number)
    start_follower(follower_max_feeds=feeds)
    eventually(lambda: all(world.cached(number) == ONE for number in numbers))
    for account in (TWO, THREE):
        for number in numbers:
            world.number(number, account)
        eventually(lambda account=account: all(world.cached(number) == account for number in numbers))  # type: ignore[misc]


def test_what_a_lookup_read_between_two_lives_of_a_shard_is_removed(
    world: World, start_follower: StartFollower
) -> None:
    world.number()
    start_follower()
    eventually(lambda: world.complete(SHARD))
    world.databases.database(SHARD).drop()
    eventually(lambda: SHARD not in world.writer.checkpoints.databases())
    # A life that came and went before the follower looked: a lookup found a number in it.
    lost = codec.decision_entry(Route("+14150000009", TWO, "in_service"), "4-" + "a" * 32, int(time.time()))
    assert world.writer.entries.fill(SHARD, world.writer.checkpoints.epoch(SHARD), [("+14150000009", lost)]) == 1
    world.number(account=THREE)
    eventually(lambda: world.cached() == THREE)
    eventually(lambda: world.cached("+14150000009") == "", 3)
