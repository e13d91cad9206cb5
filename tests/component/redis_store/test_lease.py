"""One leads; a token that only grows tells who came later."""

from typing import Any

import pytest

from router.redis_store.keys import Keys
from router.redis_store.lease import Lease, new_owner_name
from tests.support.waiting import eventually


@pytest.fixture
def one(client: Any, keys: Keys) -> Lease:
    return Lease(client, keys, 30.0, "one")


@pytest.fixture
def two(client: Any, keys: Keys) -> Lease:
    return Lease(client, keys, 30.0, "two")


def test_one_takes_it_and_the_other_does_not(one: Lease, two: Lease) -> None:
    assert one.acquire() > 0
    assert two.acquire() == 0
    assert one.holder() == two.holder() == "one"


def test_keeping_it_keeps_the_token(one: Lease, client: Any, keys: Keys) -> None:
    token = one.acquire()
    client.pexpire(keys.lease, 500)
    assert one.acquire() == token
    assert client.pttl(keys.lease) > 20_000


def test_lease_at_first_has_no_holder(one: Lease) -> None:
    assert one.holder() == ""


def test_giving_up_lets_the_next_one_in_with_a_greater_token(one: Lease, two: Lease) -> None:
    token = one.acquire()
    one.release()
    assert two.acquire() > token
    assert one.acquire() == 0


def test_only_its_holder_gives_it_up(one: Lease, two: Lease) -> None:
    one.acquire()
    two.release()
    assert one.holder() == "one"


def test_lease_of_a_silent_holder_is_lost(client: Any, keys: Keys, two: Lease) -> None:
    short = Lease(client, keys, 0.05, "one")
    token = short.acquire()
    assert eventually(two.acquire, 5) > token
    assert short.acquire() == 0


def test_token_grows_when_the_same_one_takes_it_again(one: Lease) -> None:
    token = one.acquire()
    one.release()
    assert one.acquire() > token


def test_token_grows_after_redis_lost_its_memory(one: Lease, client: Any) -> None:
    token = one.acquire()
    client.flushall()
    client.execute_command("PING")
    assert eventually(lambda: _taken_anew(one, client) > token, 2)


def _taken_anew(lease: Lease, client: Any) -> int:
    client.flushall()
    return lease.acquire()


def test_token_grows_even_when_the_clock_was_ahead(one: Lease, client: Any, keys: Keys) -> None:
    ahead = 4_000_000_000_000
    client.set(keys.token, str(ahead))
    assert one.acquire() == ahead + 1
    one.release()
    assert one.acquire() == ahead + 2


def test_restarted_process_is_another_owner() -> None:
    assert new_owner_name() != new_owner_name()
