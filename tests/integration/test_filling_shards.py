"""A whole number database is read into the cache, while numbers change behind the reading."""

import contextlib
import re
import time

import pytest
from redis import RedisError

from router.entries import codec, entry_builder
from router.follower.applier import APPLY_BATCH_SIZE
from router.numbers.routes import Route
from router.redis_store.entries import EntryStore
from router.settings.rules import build_rules
from tests.integration.conftest import StartFollower
from tests.integration.relay import Relay
from tests.integration.world import ONE, THREE, TWO, World
from tests.support.waiting import eventually

SHARD = "numbers/+1415"
_SECOND_PAGE = r"GET /numbers/\+1415/_changes\?(?!.*since=0)(?!.*feed=)"


def _is_second_page(method: str, target: str) -> bool:
    """Return whether a request goes on reading a whole database."""
    return re.match(_SECOND_PAGE, f"{method} {target}") is not None


def test_follower_empty_cache_is_filled(world: World, start_follower: StartFollower) -> None:
    revision = world.number()
    world.number("+14420000001", TWO, pvt_number_state="available")
    start_follower()
    eventually(lambda: world.cached() == ONE)
    held = world.held()
    assert held is not None
    assert held.revision == revision
    eventually(lambda: world.cached("+14420000001") == "refusal")
    eventually(lambda: world.complete(SHARD, "numbers/+1442"))


def test_rebuild_rows_fed_before_first_sweep_are_kept(world: World, start_follower: StartFollower) -> None:
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


def test_rebuild_change_behind_the_reading_is_applied(world: World, start_follower: StartFollower) -> None:
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


def test_rebuild_interrupted_deletion_behind_it_is_applied(world: World, start_follower: StartFollower) -> None:
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


def test_rebuild_other_policy_deletion_while_down_is_applied(world: World, start_follower: StartFollower) -> None:
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


def test_rebuild_entry_of_an_earlier_lookup_is_deleted(world: World, start_follower: StartFollower) -> None:
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


def test_rebuild_interrupted_removal_of_old_entries_is_finished(
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


def test_rebuild_shard_of_many_pages_is_complete(world: World, start_follower: StartFollower) -> None:
    names = world.numbers(SHARD, APPLY_BATCH_SIZE * 3 + 7)
    start_follower(follower_batch_size=APPLY_BATCH_SIZE + 51)
    eventually(lambda: world.complete(SHARD))
    assert all(world.reader.entries(names))
    documents = world.databases.database(SHARD).get_many(names)
    changed = [{**(each or {}), "pvt_assigned_to": TWO} for each in documents.values()]
    world.databases.database(SHARD).put_many(changed)
    eventually(lambda: all(world.cached(name) == TWO for name in names))


def test_rebuild_entry_between_two_databases_is_removed(world: World, start_follower: StartFollower) -> None:
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
