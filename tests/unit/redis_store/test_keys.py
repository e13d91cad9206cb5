"""Key names: a number's key tells the number, and a database's keys share a cluster slot."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.crc import key_slot

from router.numbers.shards import shard_for
from router.redis_store.keys import Keys

KEYS = Keys("did-router:")
NUMBERS = st.text("0123456789", min_size=4, max_size=40).map("+".__add__)
PREFIXES = st.text(st.characters(codec="ascii", exclude_characters="{}"), max_size=12)


@given(PREFIXES, NUMBERS)
def test_numbers_key_tells_the_number(prefix: str, number: str) -> None:
    keys = Keys(prefix)
    assert keys.number_of(keys.number(number)) == number


@given(st.text(max_size=40))
def test_number_of_any_key_is_inverted_by_number(key: str) -> None:
    number = KEYS.number_of(key)
    assert number is None or KEYS.number(number) == key


@given(NUMBERS)
def test_number_shares_a_slot_with_its_databases_checkpoint(number: str) -> None:
    database = shard_for(number)
    assert database is not None
    assert key_slot(KEYS.number(number).encode()) == key_slot(KEYS.database(database).encode())


@given(NUMBERS)
def test_database_shares_a_slot_with_its_earlier_fills(number: str) -> None:
    database = shard_for(number)
    assert database is not None
    assert key_slot(KEYS.orphans(database).encode()) == key_slot(KEYS.number(number).encode())


def test_followers_own_keys_share_a_slot() -> None:
    assert key_slot(KEYS.lease.encode()) == key_slot(KEYS.token.encode())


def test_followed_databases_documents_share_a_slot_with_its_checkpoint() -> None:
    for name in ("accounts", "port_requests", "system_config"):
        assert key_slot(KEYS.documents(name).encode()) == key_slot(KEYS.database(name).encode())


@pytest.mark.parametrize(
    "key",
    [
        KEYS.database("numbers/+1415"),
        KEYS.database("accounts"),
        KEYS.documents("accounts"),
        KEYS.orphans("numbers/+1415"),
        KEYS.lease,
        KEYS.token,
        KEYS.status,
        KEYS.databases,
        KEYS.changes,
        "did-router:{+1415",
        "did-router:+14158867900",
        "other:{+1415}8867900",
        "",
    ],
)
def test_no_other_key_passes_for_a_numbers(key: str) -> None:
    assert KEYS.number_of(key) is None
