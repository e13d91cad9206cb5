"""Foreign values under our keys do no harm."""

from collections.abc import Callable
from typing import Any

import pytest

from router.entries import codec
from router.entries.codec import Entry
from router.numbers.kazoo_databases import ACCOUNTS
from router.redis_store import follower_status
from router.redis_store.cache_store import CacheStore
from router.redis_store.checkpoints import Checkpoint
from router.redis_store.entry_reader import EntryReader
from router.redis_store.follower_status import FollowerStatus
from router.redis_store.keys import Keys
from router.redis_store.lease import Lease
from router.redis_store.pending_copies import PendingCopies
from router.redis_store.replies import ApplyResult
from tests.support.entries import DATABASE, NUMBER, Life, held, rev, route

SOUND = route(rev(1)).pack()
SHORT = [b"", b"x", *(SOUND[:cut] for cut in range(20, len(SOUND)))]


def _odd(kind: bytes, payload: bytes) -> bytes:
    """An entry by its length and checksum, whatever it says."""
    return Entry(SOUND[:20], kind, 0, payload).pack()


ODD = [
    SOUND[:20] + b"Z" + SOUND[21:],
    _odd(b"R", b"\x12\x01a"),
    SOUND + b"x",
    _odd(b"R", b"\x0a\x00a"),  # of nobody
    _odd(b"R", b"\x0a\x20ab"),  # of somebody whose id goes on behind the end
    b"\xff" * 200,
]
WRITTEN = range(21, 25)


@pytest.mark.parametrize("kind", ["list", "hash", "sorted set"])
def test_another_type_reads_as_nothing_and_is_replaced(
    writer: CacheStore, reader: EntryReader, client: Any, keys: Keys, kind: str
) -> None:
    steps = Life(writer)
    _put(client, kind, keys.number(NUMBER))
    assert reader.entries([NUMBER]) == [None]
    assert steps.apply(route(rev(1))) == (ApplyResult.OK, [])
    assert held(reader) == route(rev(1))


@pytest.mark.parametrize("kind", ["list", "hash", "sorted set"])
def test_another_type_is_replaced_by_a_filler_too(
    writer: CacheStore, reader: EntryReader, client: Any, keys: Keys, kind: str
) -> None:
    _put(client, kind, keys.number(NUMBER))
    assert writer.entries.fill(DATABASE, "", [(NUMBER, route(rev(1)))]) == 1
    assert held(reader) == route(rev(1))


@pytest.mark.parametrize("kind", ["list", "hash", "sorted set"])
def test_another_type_does_not_stand_in_replaces_way(
    writer: CacheStore, reader: EntryReader, client: Any, keys: Keys, kind: str
) -> None:
    steps = Life(writer)
    _put(client, kind, keys.number(NUMBER))
    assert writer.entries.replace(DATABASE, 1, steps.checkpoint.epoch, NUMBER, route(rev(7)).version, route(rev(3)))
    assert held(reader) == route(rev(3))


@pytest.mark.parametrize("value", SHORT)
def test_truncated_value_is_no_entry_and_is_replaced(
    writer: CacheStore, reader: EntryReader, client: Any, keys: Keys, value: bytes
) -> None:
    steps = Life(writer)
    client.set(keys.number(NUMBER), value)
    assert not codec.is_valid_entry(value)
    assert held(reader) is None
    assert steps.apply(route(rev(1))) == (ApplyResult.OK, [])
    assert held(reader) == route(rev(1))


@pytest.mark.parametrize("value", ODD)
def test_value_that_is_long_enough_may_still_be_no_entry(value: bytes) -> None:
    assert not codec.is_valid_entry(value)
    assert codec.unpack(value) is None


@pytest.mark.parametrize("value", ODD)
def test_invalid_value_with_a_high_version_is_replaced(
    writer: CacheStore, reader: EntryReader, client: Any, keys: Keys, value: bytes
) -> None:
    steps = Life(writer)
    client.set(keys.number(NUMBER), value)
    assert steps.apply(route(rev(1))) == (ApplyResult.OK, [])
    assert held(reader) == route(rev(1))


@pytest.mark.parametrize("value", ODD)
def test_invalid_value_is_replaced_by_a_filler(
    writer: CacheStore, reader: EntryReader, client: Any, keys: Keys, value: bytes
) -> None:
    client.set(keys.number(NUMBER), value)
    assert writer.entries.fill(DATABASE, "", [(NUMBER, route(rev(1)))]) == 1
    assert held(reader) == route(rev(1))


def test_entry_cut_short_anywhere_is_invalid() -> None:
    """The account would end in what is appended to the answer: a stranger's, or nobody's."""
    assert codec.is_valid_entry(SOUND)
    assert not any(codec.is_valid_entry(SOUND[:length]) for length in range(len(SOUND)))


def test_one_byte_that_is_another_is_noticed_wherever_it_stands() -> None:
    for at in set(range(len(SOUND))) - set(WRITTEN):
        assert not codec.is_valid_entry(SOUND[:at] + bytes([SOUND[at] ^ 1]) + SOUND[at + 1 :]), at


@pytest.mark.parametrize("kind", ["list", "string", "sorted set"])
def test_another_type_in_place_of_a_checkpoint_is_no_checkpoint(
    writer: CacheStore, reader: EntryReader, client: Any, keys: Keys, kind: str
) -> None:
    acts: tuple[Callable[[], bool], ...] = (
        lambda: writer.checkpoints.get(DATABASE) == Checkpoint(),
        lambda: writer.checkpoints.get_many([DATABASE, ACCOUNTS]) == [Checkpoint()] * 2,
        lambda: writer.checkpoints.epochs([DATABASE]) == [""],
        lambda: Life(writer).apply(route(rev(1))) == (ApplyResult.OK, []),
    )
    for act in acts:
        _put(client, kind, keys.database(DATABASE))
        assert act()
    steps = Life(writer)
    _put(client, kind, keys.database(DATABASE))
    assert steps.apply(route(rev(2))) == (ApplyResult.CHECKPOINT_CONFLICT, [])
    assert held(reader) == route(rev(1))


@pytest.mark.parametrize("field", ["fence", "at", "pending", "seq", "epoch"])
def test_corrupt_checkpoint_does_not_block_a_new_epoch(writer: CacheStore, client: Any, keys: Keys, field: str) -> None:
    Life(writer)
    client.hset(keys.database(DATABASE), field, b"\xff{")
    writer.checkpoints.get(DATABASE)
    writer.checkpoints.fence(DATABASE)
    assert Life(writer).apply(route(rev(1))) == (ApplyResult.OK, [])


@pytest.mark.parametrize("kind", ["list", "string", "hash"])
def test_another_type_in_place_of_the_names_of_databases(
    writer: CacheStore, client: Any, keys: Keys, kind: str
) -> None:
    _put(client, kind, keys.databases)
    assert writer.checkpoints.databases() == set()
    _put(client, kind, keys.databases)
    Life(writer)
    assert writer.checkpoints.databases() == {DATABASE}


@pytest.mark.parametrize("kind", ["list", "string", "sorted set"])
def test_another_type_in_place_of_documents_has_them_read_again(
    writer: CacheStore, client: Any, keys: Keys, kind: str
) -> None:
    steps = Life(writer, database=ACCOUNTS)
    writer.documents.clear(ACCOUNTS, steps.checkpoint.epoch)
    assert writer.documents.are_of_epochs([ACCOUNTS], [steps.checkpoint.epoch]) == [True]
    _put(client, kind, keys.documents(ACCOUNTS))
    assert writer.documents.are_of_epochs([ACCOUNTS], [steps.checkpoint.epoch]) == [False]
    assert (
        writer.documents.apply(ACCOUNTS, 1, steps.checkpoint, "x", [("a", b"v")])[0] is ApplyResult.CHECKPOINT_CONFLICT
    )
    assert not writer.checkpoints.get(ACCOUNTS).epoch, "whoever follows begins anew"


@pytest.mark.parametrize("kind", ["list", "string", "hash"])
def test_another_type_in_place_of_strays(writer: CacheStore, client: Any, keys: Keys, kind: str) -> None:
    _put(client, kind, keys.orphans(DATABASE))
    writer.entries.remove_orphans(DATABASE)
    assert not client.exists(keys.orphans(DATABASE))


@pytest.mark.parametrize("kind", ["list", "string", "set"])
def test_another_type_in_place_of_pending_copies(client: Any, keys: Keys, kind: str) -> None:
    _put(client, kind, keys.pending_copies)
    pending = PendingCopies(client, keys)
    pending.add([(NUMBER, "")])
    assert pending.size() == 1


@pytest.mark.parametrize("kind", ["list", "hash", "string"])
def test_malformed_lease_does_not_block_election(client: Any, keys: Keys, kind: str) -> None:
    for key in (keys.lease, keys.token):
        _put(client, kind, key)
    token = Lease(client, keys, 30.0, "one").acquire()
    assert token > 1
    assert Lease(client, keys, 30.0, "two").acquire() == 0
    assert Lease(client, keys, 30.0, "one").acquire() == token


def test_lease_that_would_never_lapse_is_none(client: Any, keys: Keys) -> None:
    client.set(keys.lease, "7 nobody")
    assert Lease(client, keys, 30.0, "one").acquire() > 7


@pytest.mark.parametrize(
    "spoil",
    [
        lambda client, key: client.set(key, "x"),
        lambda client, key: client.set(key, "17 {}"),
        lambda client, key: client.set(key, '17 {"leader": "a"'),
        lambda client, key: client.append(key, "x"),
        lambda client, key: _put(client, "hash", key),
    ],
)
def test_corrupt_status_is_none(client: Any, keys: Keys, spoil: Callable[[Any, str], None]) -> None:
    follower_status.publish(
        client, keys, FollowerStatus("a", 0.0, "following", 1, 1, 0, 0.0, 1, 1, database_up=True, lags={})
    )
    assert follower_status.read(client, keys) is not None
    spoil(client, keys.status)
    assert follower_status.read(client, keys) is None


def _put(client: Any, kind: str, key: str) -> None:
    client.delete(key)
    made: dict[str, Callable[[], Any]] = {
        "list": lambda: client.rpush(key, "a"),
        "hash": lambda: client.hset(key, "a", "b"),
        "set": lambda: client.sadd(key, "a"),
        "string": lambda: client.set(key, "x"),
        "sorted set": lambda: client.zadd(key, {"a": 1}),
    }
    made[kind]()
