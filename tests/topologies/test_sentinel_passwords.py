"""A sentinel that has a password itself, beside its master's."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from redis.sentinel import MasterNotFoundError

from router.redis_store.client import check_master
from router.settings import Settings
from router.stores.clients import Stores
from tests.topologies import servers

MASTERS, OWN = "m@ster:/?#ü", "s3ntinel@:/?#ü é"
USERS = {"the default user": "", "a user": "watcher"}


@pytest.fixture(params=USERS)
def user(request: pytest.FixtureRequest) -> str:
    return USERS[request.param]


@pytest.fixture
def url(tmp_path: Path, user: str) -> Iterator[str]:
    with servers.sentinel(tmp_path, master_password=MASTERS, own_password=OWN, user=user) as made:
        yield made


@pytest.fixture
def given(tmp_path: Path, url: str, user: str) -> dict[str, Any]:
    """Settings with which the master is found."""
    file = tmp_path / "password"
    file.write_text(f"{OWN}\n")
    return {
        "redis_url": url,
        "redis_password": MASTERS,
        "sentinel_user": user,
        "sentinel_password_file": file,
    }


def test_master_is_found(given: dict[str, Any]) -> None:
    stores = Stores(Settings.load(None, **given))
    for client in (stores.redis, stores.lookup_redis):
        assert client.set("key", "value")
        check_master(client)
    assert stores.redis.get("key") == b"value"


@pytest.mark.parametrize(
    "wrong",
    [
        {"sentinel_password_file": None},
        {"sentinel_password_file": None, "sentinel_password": MASTERS},
        {"sentinel_user": "nobody"},
    ],
    ids=["none", "the master's", "another user"],
)
def test_sentinel_with_wrong_passwords_is_refused_without_them(given: dict[str, Any], wrong: dict[str, Any]) -> None:
    stores = Stores(Settings.load(None, **given | wrong))
    with pytest.raises(MasterNotFoundError) as problem:
        stores.redis.ping()
    assert not any(part in str(problem.value) for part in ("ster:/", "ntinel@"))


def test_sentinel_password_does_not_open_the_master(given: dict[str, Any]) -> None:
    stores = Stores(Settings.load(None, **given | {"redis_password": OWN}))
    with pytest.raises(redis.AuthenticationError):
        stores.redis.ping()
