"""What a follower is said to have said is believed only where all of it can be."""

import json
from dataclasses import asdict
from typing import Any

import pytest

from router.cache import status
from router.cache.keys import Keys
from router.cache.status import FollowerStatus

SAID = FollowerStatus("me", 1.0, "following", 1, 1, 0, 0.0, 5, 1, database_up=True, lags={"numbers/+1415": 0.5})


def test_what_was_said_comes_back(client: Any, keys: Keys) -> None:
    status.publish(client, keys, SAID)
    assert status.read(client, keys) == SAID


@pytest.mark.parametrize(
    "value",
    [
        b"[]",
        b"[" * 100_000,
        *(json.dumps(asdict(SAID) | odd).encode() for odd in ({"at": "now"}, {"at": float("nan")}, {"lags": [1]})),
        json.dumps(asdict(SAID) | {"lags": {"a": "long"}}).encode(),
        json.dumps(asdict(SAID) | {"more": 1}).encode(),
    ],
)
def test_what_is_no_status_is_none(client: Any, keys: Keys, value: bytes) -> None:
    client.set(keys.status, value)
    assert status.read(client, keys) is None
