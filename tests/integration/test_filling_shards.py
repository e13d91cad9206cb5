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
from tests.integration.real_stores import ONE, THREE, TWO, RealStores
from tests.integration.relay import Relay
from tests.support.waiting import eventually

SHARD = "numbers/+1415"
_SECOND_PAGE = r"GET /numbers/\+1415/_changes\?(?!.*since=0)(?!.*feed=)"


def _is_second_page(method: str, target: str) -> bool:
    """Return whether a request goes on reading a whole database."""
    return re.match(_SECOND_PAGE, f"{method} {target}") is not None


def test_follower_empty_cache_is_filled(stores: RealStores, start_follower: StartFollower) -> None:
    revision = stores.number()
    stores.number("+14420000001", TWO, pvt_number_state="available")
    start_follower()
    eventually(lambda: stores.cached() == ONE)
    held = stores.held()
    assert held is not None
    assert held.revision == revision
    eventually(lambda: stores.cached("+14420000001") == "refusal")
    eventually(lambda: stores.complete(SHARD, "numbers/+1442"))


def test_rebuild_rows_fed_before_first_sweep_are_kept(stores: RealStores, start_follower: StartFollower) -> None:
    stores.number()
    with Relay(stores.couchdb_url) as relay:
        stores.couchdb_url = relay.url
        # The first comparison reads the configuration, then removes what is left of unknown databases.
        relay.hold(lambda _, target: target == "/system_config")
        start_follower()
        eventually(lambda: relay.count("GET /system_config$"))
        stores.number("+14150000001", TWO)
        with contextlib.suppress(AssertionError):
            eventually(lambda: stores.complete(SHARD), 1.5)
        relay.release()
        eventually(lambda: stores.complete(SHARD, "system_config"))
        eventually(lambda: stores.cached() == ONE, 3)
        eventually(lambda: stores.cached("+14150000001") == TWO, 3)


def test_rebuild_change_behind_the_reading_is_applied(stores: RealStores, start_follower: StartFollower) -> None:
    names = stores.numbers(SHARD, 300)
    with Relay(stores.couchdb_url) as relay:
        stores.couchdb_url = relay.url
        # The first page is read, the second is on its way.
        relay.hold(_is_second_page)
        start_follower(follower_batch_size=100)
        eventually(lambda: relay.count(_SECOND_PAGE))
        eventually(lambda: sum(stores.cached(name) == ONE for name in names) == 100)
        moved, deleted, *_ = (name for name in names if stores.cached(name) == ONE)
        stores.number(moved, TWO)
        stores.remove(SHARD, deleted)
        assert not stores.complete(SHARD)
        relay.release()
        eventually(lambda: stores.complete(SHARD))
        assert stores.cached(moved) == TWO
        assert stores.cached(deleted) not in {ONE, TWO}
        assert sum(stores.cached(name) == ONE for name in names) == 298


def test_rebuild_interrupted_deletion_behind_it_is_applied(stores: RealStores, start_follower: StartFollower) -> None:
    names = stores.numbers(SHARD, 300)
    with Relay(stores.couchdb_url) as relay:
        stores.couchdb_url = relay.url
        relay.cut(_is_second_page)
        start_follower(follower_batch_size=100)
        eventually(lambda: relay.count(_SECOND_PAGE))
        deleted = next(name for name in names if stores.cached(name) == ONE)
        stores.remove(SHARD, deleted)
        relay.cut(lambda *_: False)
        eventually(lambda: stores.complete(SHARD))
        assert stores.cached(deleted) != ONE
        assert sum(stores.cached(name) == ONE for name in names) == 299


def test_rebuild_other_policy_deletion_while_down_is_applied(stores: RealStores, start_follower: StartFollower) -> None:
    deleted, kept, *_ = stores.numbers(SHARD, 3)
    follower = start_follower()
    eventually(lambda: stores.complete(SHARD, "system_config") and stores.cached(deleted) == ONE)
    follower.stop()
    stores.remove(SHARD, deleted)
    shape = stores.writer.checkpoints.get(SHARD).fingerprint
    stores.configure(default_force_outbound=True)
    start_follower()

    def is_made_differently() -> bool:
        # Of one reading: between two of them it may be begun anew.
        checkpoint = stores.writer.checkpoints.get(SHARD)
        return checkpoint.complete and checkpoint.fingerprint != shape

    eventually(is_made_differently)
    assert stores.cached(deleted) != ONE
    assert stores.cached(kept) == ONE


def test_rebuild_entry_of_an_earlier_lookup_is_deleted(stores: RealStores, start_follower: StartFollower) -> None:
    deleted, *_ = stores.numbers(SHARD, 3)
    with Relay(stores.couchdb_url) as relay:
        stores.couchdb_url = relay.url
        relay.hold(lambda _, target: SHARD in target and "since=0" in target)
        start_follower()
        eventually(lambda: relay.count(r"GET /numbers/\+1415/_changes\?.*since=0"))
        epoch = stores.writer.checkpoints.epoch(SHARD)
        document = stores.databases.database(SHARD).get(deleted)
        stores.remove(SHARD, deleted)
        policy = build_rules(stores.settings(), None).policy
        made = entry_builder.entry_from_json(document, SHARD, policy, int(time.time()))
        assert isinstance(made, codec.Entry)
        stores.writer.entries.fill(SHARD, epoch, [(deleted, made)])
        relay.release()
        eventually(lambda: stores.complete(SHARD))
        assert stores.cached(deleted) != ONE


def test_rebuild_interrupted_removal_of_old_entries_is_finished(
    stores: RealStores, start_follower: StartFollower, monkeypatch: pytest.MonkeyPatch
) -> None:
    stores.numbers(SHARD, 3)
    old = f"{SHARD.removeprefix('numbers/')}0000002"
    follower = start_follower()
    eventually(lambda: stores.complete(SHARD) and stores.cached(old) == ONE)
    follower.stop()
    before = stores.databases.database(SHARD).info().instance
    stores.databases.database(SHARD).drop()
    while str(int(time.time())) == before:
        time.sleep(0.01)
    stores.numbers(SHARD, 1, TWO)

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
    eventually(lambda: stores.complete(SHARD) and stores.cached(f"{SHARD.removeprefix('numbers/')}0000000") == TWO)
    assert stores.cached(old) == ""


def test_rebuild_shard_of_many_pages_is_complete(stores: RealStores, start_follower: StartFollower) -> None:
    names = stores.numbers(SHARD, APPLY_BATCH_SIZE * 3 + 7)
    start_follower(follower_batch_size=APPLY_BATCH_SIZE + 51)
    eventually(lambda: stores.complete(SHARD))
    assert all(stores.reader.entries(names))
    documents = stores.databases.database(SHARD).get_many(names)
    changed = [{**(each or {}), "pvt_assigned_to": TWO} for each in documents.values()]
    stores.databases.database(SHARD).put_many(changed)
    eventually(lambda: all(stores.cached(name) == TWO for name in names))


def test_rebuild_entry_between_two_databases_is_removed(stores: RealStores, start_follower: StartFollower) -> None:
    stores.number()
    start_follower()
    eventually(lambda: stores.complete(SHARD))
    stores.databases.database(SHARD).drop()
    eventually(lambda: SHARD not in stores.writer.checkpoints.databases())
    # A life that came and went before the follower looked: a lookup found a number in it.
    lost = codec.decision_entry(Route("+14150000009", TWO, "in_service"), "4-" + "a" * 32, int(time.time()))
    assert stores.writer.entries.fill(SHARD, stores.writer.checkpoints.epoch(SHARD), [("+14150000009", lost)]) == 1
    stores.number(account=THREE)
    eventually(lambda: stores.cached() == THREE)
    eventually(lambda: stores.cached("+14150000009") == "", 3)
