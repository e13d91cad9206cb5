"""Number databases that appear, change, vanish and are created again, and their answers in the cache."""

import random
import time
from dataclasses import replace

import pytest

from router.couch import responses
from tests.integration.conftest import StartFollower
from tests.integration.relay import Relay
from tests.integration.world import ONE, THREE, TWO, World
from tests.support.waiting import eventually

SHARD = "numbers/+1415"
_SECOND_PAGE = r"GET /numbers/\+1415/_changes\?(?!.*since=0)(?!.*feed=)"


def test_feed_two_changes_in_turn_both_arrive(world: World, start_follower: StartFollower) -> None:
    world.number()
    start_follower()
    eventually(lambda: world.cached() == ONE)
    for account in (TWO, THREE, ONE):
        world.number(account=account)
        eventually(lambda account=account: world.cached() == account)  # type: ignore[misc]


def test_feed_busy_is_checked_no_more_often_than_quiet(world: World, start_follower: StartFollower) -> None:
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


def test_shard_created_is_followed(world: World, start_follower: StartFollower) -> None:
    start_follower()
    eventually(lambda: world.complete("accounts"))
    world.number()
    eventually(lambda: world.cached() == ONE)
    world.number(account=TWO)
    eventually(lambda: world.cached() == TWO)


def test_shard_deleted_loses_its_numbers(world: World, start_follower: StartFollower) -> None:
    names = world.numbers(SHARD, 300)
    world.number("+14420000001", TWO)
    start_follower()
    eventually(lambda: all(world.cached(name) == ONE for name in (names[0], names[-1])))
    eventually(lambda: world.cached("+14420000001") == TWO)
    world.databases.database(SHARD).drop()
    eventually(lambda: not any(world.reader.entries(names)))
    eventually(lambda: SHARD not in world.writer.checkpoints.databases())
    assert world.cached("+14420000001") == TWO


def test_shard_deleted_while_down_loses_its_numbers(world: World, start_follower: StartFollower) -> None:
    world.number()
    follower = start_follower()
    eventually(lambda: world.cached() == ONE and world.complete(SHARD))
    follower.stop()
    world.databases.database(SHARD).drop()
    start_follower()
    eventually(lambda: world.cached() == "")
    eventually(lambda: SHARD not in world.writer.checkpoints.databases())


def test_shard_recreated_has_other_owners_and_fewer_numbers(world: World, start_follower: StartFollower) -> None:
    for account in (ONE, TWO, ONE):
        world.number(account=account)
    world.number("+14150000001")
    start_follower()
    eventually(lambda: world.complete(SHARD) and world.cached() == ONE)
    world.databases.database(SHARD).drop()
    world.number(account=THREE)
    eventually(lambda: world.cached() == THREE)
    eventually(lambda: world.cached("+14150000001") == "")


def test_shard_recreated_within_a_second_is_rebuilt(
    world: World, start_follower: StartFollower, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    parse = responses.parse_info
    # Start times count whole seconds: however slow the machine, both lives of the shard have the same one.
    monkeypatch.setattr(responses, "parse_info", lambda *given: replace(parse(*given), instance="1"))
    start_follower(follower_reconcile_interval=60)
    eventually(lambda: world.complete("accounts"))
    for account in (ONE, TWO, ONE):
        world.number(account=account)
    world.number("+14150000001", ONE)
    eventually(lambda: world.complete(SHARD) and world.cached() == ONE)
    world.databases.database(SHARD).drop()
    world.number(account=THREE)
    eventually(lambda: world.cached() == THREE)
    eventually(lambda: world.cached("+14150000001") == "")
    # A listing corrects the entries as well, but a new epoch refuses what slow readers of the old shard write.
    assert [each for each in caplog.messages if "was recreated" in each]


def test_shard_created_logs_no_warning(
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


def test_shard_recreated_while_down_is_rebuilt(world: World, start_follower: StartFollower) -> None:
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


@pytest.mark.parametrize("feeds", [0, 1, 64])
def test_shards_changing_at_once_all_arrive(world: World, start_follower: StartFollower, feeds: int) -> None:
    numbers = [f"+14{index:02}0000000" for index in range(12)]
    for number in numbers:
        world.number(number)
    start_follower(follower_max_feeds=feeds)
    eventually(lambda: all(world.cached(number) == ONE for number in numbers))
    for account in (TWO, THREE):
        for number in numbers:
            world.number(number, account)
        eventually(lambda account=account: all(world.cached(number) == account for number in numbers))  # type: ignore[misc]
