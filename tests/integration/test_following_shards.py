"""Number databases that appear, change, vanish and are created again, and their answers in the cache."""

import random
import time
from dataclasses import replace

import pytest

from router.couch import responses
from tests.integration.conftest import StartFollower
from tests.integration.real_stores import ONE, THREE, TWO, RealStores
from tests.integration.relay import Relay
from tests.support.waiting import eventually

SHARD = "numbers/+1415"
_SECOND_PAGE = r"GET /numbers/\+1415/_changes\?(?!.*since=0)(?!.*feed=)"


def test_feed_two_changes_in_turn_both_arrive(stores: RealStores, start_follower: StartFollower) -> None:
    stores.number()
    start_follower()
    eventually(lambda: stores.cached() == ONE)
    for account in (TWO, THREE, ONE):
        stores.number(account=account)
        eventually(lambda account=account: stores.cached() == account)  # type: ignore[misc]


def test_feed_busy_is_checked_no_more_often_than_quiet(stores: RealStores, start_follower: StartFollower) -> None:
    stores.number()
    with Relay(stores.couchdb_url) as relay:
        stores.couchdb_url = relay.url
        start_follower()
        eventually(lambda: stores.complete(SHARD) and stores.cached() == ONE)
        stores.number(account=TWO)
        eventually(lambda: relay.count(r"GET /numbers/\+1415/_changes\?.*feed=continuous"))
        eventually(lambda: stores.cached() == TWO)
        began, checks = time.monotonic(), relay.count(r"GET /numbers/\+1415$")
        while time.monotonic() - began < 4.0:
            stores.number(account=random.choice((ONE, THREE)))
            time.sleep(0.02)
        assert relay.count(r"GET /numbers/\+1415$") - checks <= 3


def test_shard_created_is_followed(stores: RealStores, start_follower: StartFollower) -> None:
    start_follower()
    eventually(lambda: stores.complete("accounts"))
    stores.number()
    eventually(lambda: stores.cached() == ONE)
    stores.number(account=TWO)
    eventually(lambda: stores.cached() == TWO)


def test_shard_deleted_loses_its_numbers(stores: RealStores, start_follower: StartFollower) -> None:
    names = stores.numbers(SHARD, 300)
    stores.number("+14420000001", TWO)
    start_follower()
    eventually(lambda: all(stores.cached(name) == ONE for name in (names[0], names[-1])))
    eventually(lambda: stores.cached("+14420000001") == TWO)
    stores.databases.database(SHARD).drop()
    eventually(lambda: not any(stores.reader.entries(names)))
    eventually(lambda: SHARD not in stores.writer.checkpoints.databases())
    assert stores.cached("+14420000001") == TWO


def test_shard_deleted_while_down_loses_its_numbers(stores: RealStores, start_follower: StartFollower) -> None:
    stores.number()
    follower = start_follower()
    eventually(lambda: stores.cached() == ONE and stores.complete(SHARD))
    follower.stop()
    stores.databases.database(SHARD).drop()
    start_follower()
    eventually(lambda: stores.cached() == "")
    eventually(lambda: SHARD not in stores.writer.checkpoints.databases())


def test_shard_recreated_has_other_owners_and_fewer_numbers(stores: RealStores, start_follower: StartFollower) -> None:
    for account in (ONE, TWO, ONE):
        stores.number(account=account)
    stores.number("+14150000001")
    start_follower()
    eventually(lambda: stores.complete(SHARD) and stores.cached() == ONE)
    stores.databases.database(SHARD).drop()
    stores.number(account=THREE)
    eventually(lambda: stores.cached() == THREE)
    eventually(lambda: stores.cached("+14150000001") == "")


def test_shard_recreated_within_a_second_is_rebuilt(
    stores: RealStores, start_follower: StartFollower, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    parse = responses.parse_info
    # Start times count whole seconds: however slow the machine, both lives of the shard have the same one.
    monkeypatch.setattr(responses, "parse_info", lambda *given: replace(parse(*given), instance="1"))
    start_follower(follower_reconcile_interval=60)
    eventually(lambda: stores.complete("accounts"))
    for account in (ONE, TWO, ONE):
        stores.number(account=account)
    stores.number("+14150000001", ONE)
    eventually(lambda: stores.complete(SHARD) and stores.cached() == ONE)
    stores.databases.database(SHARD).drop()
    stores.number(account=THREE)
    eventually(lambda: stores.cached() == THREE)
    eventually(lambda: stores.cached("+14150000001") == "")
    # A listing corrects the entries as well, but a new epoch refuses what slow readers of the old shard write.
    assert [each for each in caplog.messages if "recreated or purged" in each]


def test_shard_created_logs_no_warning(
    stores: RealStores, start_follower: StartFollower, caplog: pytest.LogCaptureFixture
) -> None:
    start_follower()
    eventually(lambda: stores.complete("accounts", "port_requests", "system_config"))
    stores.account(ONE)
    eventually(lambda: stores.redis.hexists(stores.keys.documents("accounts"), ONE))
    stores.number()
    eventually(lambda: stores.cached() == ONE)
    assert [each for each in caplog.messages if "recreated" in each] == []


def _wait_reported(stores: RealStores, since: str, *events: tuple[str, str]) -> None:
    """Until the feed of updates told of these: who begins to listen now hears nothing of them."""

    def reported() -> bool:
        rows = stores.databases.client.request("GET", ["_db_updates"], since=since)["results"]
        return set(events) <= {(row["type"], row["db_name"]) for row in rows}

    eventually(reported)


def test_shard_recreated_while_down_is_rebuilt(stores: RealStores, start_follower: StartFollower) -> None:
    for account in (ONE, TWO, ONE):
        stores.number(account=account)
    stores.number("+14150000001")
    follower = start_follower()
    eventually(lambda: stores.complete(SHARD) and stores.cached() == ONE)
    follower.stop()
    before, since = stores.databases.database(SHARD).info().instance, stores.databases.updates_now()
    stores.databases.database(SHARD).drop()
    while str(int(time.time())) == before:
        time.sleep(0.01)
    stores.number(account=THREE)
    _wait_reported(stores, since, ("deleted", SHARD), ("created", SHARD), ("updated", SHARD))
    start_follower()
    eventually(lambda: stores.cached() == THREE)
    eventually(lambda: stores.cached("+14150000001") == "")


@pytest.mark.parametrize("feeds", [0, 1, 64])
def test_shards_changing_at_once_all_arrive(stores: RealStores, start_follower: StartFollower, feeds: int) -> None:
    numbers = [f"+14{index:02}0000000" for index in range(12)]
    for number in numbers:
        stores.number(number)
    start_follower(follower_max_feeds=feeds)
    eventually(lambda: all(stores.cached(number) == ONE for number in numbers))
    for account in (TWO, THREE):
        for number in numbers:
            stores.number(number, account)
        eventually(lambda account=account: all(stores.cached(number) == account for number in numbers))  # type: ignore[misc]
