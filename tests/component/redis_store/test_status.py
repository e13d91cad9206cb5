"""The follower's status is used only where all of it is readable, and its age comes from Redis' clock."""

import json
import time
from dataclasses import replace
from typing import Any

import pytest

from router.redis_store import follower_status
from router.redis_store.follower_status import FollowerStatus
from router.redis_store.keys import Keys

HOUR = 3600.0
STATUS = FollowerStatus("me", 1.0, "following", 1, 1, 0, 0.0, 5, 1, database_up=True, lags={"numbers/+1415": 0.5})


def test_read_returns_the_published_status(client: Any, keys: Keys) -> None:
    assert follower_status.read(client, keys) is None
    follower_status.publish(client, keys, STATUS)
    reported = follower_status.read(client, keys)
    assert reported is not None
    assert reported.to_json() == STATUS.to_json()


@pytest.mark.parametrize(
    "value",
    [
        b"[]",
        b"[" * 100_000,
        *(json.dumps(STATUS.to_json() | odd).encode() for odd in ({"at": "now"}, {"at": float("nan")}, {"lags": [1]})),
        json.dumps(STATUS.to_json() | {"lags": {"a": "long"}}).encode(),
    ],
)
def test_read_malformed_status_is_none(client: Any, keys: Keys, value: bytes) -> None:
    follower_status.publish(client, keys, STATUS)
    when = client.get(keys.status).partition(b" ")[0]
    client.set(keys.status, when + b" " + value)
    assert follower_status.read(client, keys) is None
    client.set(keys.status, value)
    assert follower_status.read(client, keys) is None


def test_read_status_of_a_later_version_ignores_what_is_unknown(client: Any, keys: Keys) -> None:
    follower_status.publish(client, keys, STATUS)
    when = client.get(keys.status).partition(b" ")[0]
    client.set(keys.status, when + b" " + json.dumps(STATUS.to_json() | {"more": 1}).encode())
    reported = follower_status.read(client, keys)
    assert reported is not None
    assert reported.to_json() == STATUS.to_json()


@pytest.mark.parametrize("jump", [-HOUR, HOUR])
def test_clock_that_jumps_makes_it_neither_younger_nor_older(
    client: Any, keys: Keys, jump: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the clock set back, a follower that died would count as alive for an hour, and nothing be marked stale."""
    follower_status.publish(client, keys, replace(STATUS, at=time.time() + jump))
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() - jump)
    reported = follower_status.read(client, keys)
    assert reported is not None
    assert reported.age < 5
    before = reported.age
    time.sleep(0.05)
    assert reported.age >= before + 0.05


def test_status_age_grows_though_redis_clock_jumps(client: Any, keys: Keys) -> None:
    """Redis' own clock was set forward: what it said before was then, all the same."""
    follower_status.publish(client, keys, STATUS)
    first = follower_status.read(client, keys)
    assert first is not None
    time.sleep(0.05)
    assert follower_status.read(client, keys, first) is first
    follower_status.publish(client, keys, STATUS)
    again = follower_status.read(client, keys, first)
    assert again is not None
    assert again is not first
    assert again.age < first.age
