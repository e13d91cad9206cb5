"""A checkpoint moves with the data that it stands for, or not at all."""

from typing import Any

import pytest

from router.redis_store.cache_store import CacheStore
from router.redis_store.checkpoints import Checkpoint
from router.redis_store.entry_reader import EntryReader
from router.redis_store.keys import Keys
from router.redis_store.replies import ApplyResult
from tests.support.entries import DATABASE, NUMBER, TWO, Life, held, rev, route


def test_checkpoint_of_an_unknown_database_is_empty(writer: CacheStore) -> None:
    assert writer.checkpoints.get(DATABASE) == Checkpoint()
    assert writer.checkpoints.epoch(DATABASE) == ""
    assert writer.checkpoints.databases() == set()


def test_checkpoint_holds_what_was_applied(writer: CacheStore) -> None:
    steps = Life(writer)
    steps.apply(route(rev(1)), seq="12-abc")
    kept = writer.checkpoints.get(DATABASE)
    assert (kept.instance_start_time, kept.purge_seq, kept.fingerprint, kept.seq) == ("100", 0, "s", "12-abc")
    assert not kept.complete
    writer.checkpoints.mark_complete(DATABASE, {"copy": "12-upd"})
    kept = writer.checkpoints.get(DATABASE)
    assert (kept.complete, kept.copies, kept.seq) == (True, {"copy": "12-upd"}, "12-abc")
    assert writer.checkpoints.get_many(["numbers/+1999", DATABASE]) == [Checkpoint(), kept]
    assert writer.checkpoints.databases() == {DATABASE}


def test_flushed_redis_refuses_to_go_on(writer: CacheStore, reader: EntryReader, client: Any) -> None:
    steps = Life(writer)
    steps.apply(route(rev(1)))
    client.flushall()
    assert steps.apply(route(rev(2))) == (ApplyResult.CHECKPOINT_CONFLICT, [])
    assert held(reader) is None
    assert writer.checkpoints.get(DATABASE) == Checkpoint()


def test_another_writers_step_refuses_ours(writer: CacheStore, reader: EntryReader) -> None:
    one = Life(writer)
    checkpoint = one.checkpoint
    one.apply(route(rev(2)), seq="theirs")
    result, _ = writer.entries.apply(DATABASE, 1, checkpoint, "ours", [(NUMBER, route(rev(3), TWO))])
    assert result is ApplyResult.CHECKPOINT_CONFLICT
    assert held(reader) == route(rev(2))
    assert writer.checkpoints.get(DATABASE).seq == "theirs"


def test_new_epoch_refuses_the_old_one(writer: CacheStore) -> None:
    old = Life(writer)
    Life(writer)
    assert old.apply(route(rev(1))) == (ApplyResult.CHECKPOINT_CONFLICT, [])


def test_beginning_anew_forgets_the_checkpoint(writer: CacheStore) -> None:
    steps = Life(writer)
    steps.apply(route(rev(1)))
    writer.checkpoints.mark_complete(DATABASE, {"copy": "1-u"})
    begun = writer.checkpoints.begin_epoch(DATABASE, 1, instance_start_time="200", purge_seq=1, fingerprint="t")
    assert begun is not None
    kept = writer.checkpoints.get(DATABASE)
    assert (kept.epoch, kept.instance_start_time, kept.purge_seq, kept.fingerprint) == (begun.epoch, "200", 1, "t")
    assert (kept.seq, kept.copies, kept.complete) == ("", {}, False)
    assert begun.epoch != steps.checkpoint.epoch


def test_older_token_is_fenced_off(writer: CacheStore, reader: EntryReader) -> None:
    old = Life(writer, token=7)
    new = Life(writer, token=8)
    checkpoint = new.checkpoint
    assert writer.entries.apply(DATABASE, 7, checkpoint, "x", [(NUMBER, route(rev(1)))]) == (ApplyResult.FENCED, [])
    assert old.apply(route(rev(1))) == (ApplyResult.FENCED, [])
    assert writer.checkpoints.begin_epoch(DATABASE, 7, instance_start_time="", purge_seq=0, fingerprint="") is None
    assert held(reader) is None
    assert writer.checkpoints.get(DATABASE).epoch == new.checkpoint.epoch


def test_tokens_compare_as_numbers_even_when_they_are_milliseconds(writer: CacheStore) -> None:
    steps = Life(writer, token=1_795_390_426_628)
    assert steps.apply(route(rev(1)))[0] is ApplyResult.OK
    checkpoint = steps.checkpoint
    assert writer.entries.apply(DATABASE, 1_795_390_426_627, checkpoint, "x", [])[0] is ApplyResult.FENCED
    assert writer.entries.apply(DATABASE, 999_999_999_999, checkpoint, "x", [])[0] is ApplyResult.FENCED
    assert writer.entries.apply(DATABASE, 1_795_390_426_629, checkpoint, "x", [])[0] is ApplyResult.OK


@pytest.mark.parametrize("token", [7, 8])
def test_followed_documents_are_fenced_and_compared_equal(writer: CacheStore, client: Any, token: int) -> None:
    steps = Life(writer, token=8, database="accounts")
    writer.documents.clear("accounts", steps.checkpoint.epoch)
    kept = {b"": steps.checkpoint.epoch.encode()}
    before = steps.checkpoint if token == 7 else Checkpoint(epoch="another")
    result = writer.documents.apply("accounts", token, before, "x", [("a", b"v")])[0]
    assert result is (ApplyResult.FENCED if token == 7 else ApplyResult.CHECKPOINT_CONFLICT)
    assert client.hgetall(writer.keys.documents("accounts")) == kept
    assert writer.documents.apply("accounts", 8, steps.checkpoint, "x", [("a", b"v")])[0] is ApplyResult.OK
    assert client.hgetall(writer.keys.documents("accounts")) == {b"a": b"v", **kept}


def test_filler_from_before_a_rebuild_is_refused(writer: CacheStore, reader: EntryReader) -> None:
    old = Life(writer)
    Life(writer)
    assert writer.entries.fill(DATABASE, old.checkpoint.epoch, [(NUMBER, route(rev(9)))]) == -1
    assert held(reader) is None


def test_filler_may_write_where_no_follower_ever_was(writer: CacheStore, reader: EntryReader) -> None:
    assert writer.entries.fill(DATABASE, writer.checkpoints.epoch(DATABASE), [(NUMBER, route(rev(1)))]) == 1
    assert held(reader) == route(rev(1))


def test_filler_that_saw_no_epoch_is_refused_once_there_is_one(writer: CacheStore) -> None:
    before = writer.checkpoints.epoch(DATABASE)
    Life(writer)
    assert writer.entries.fill(DATABASE, before, [(NUMBER, route(rev(1)))]) == -1


def test_distrust_makes_a_database_another_one(writer: CacheStore) -> None:
    steps = Life(writer)
    steps.apply(route(rev(1)))
    writer.checkpoints.mark_complete(DATABASE, {"copy": "u"})
    writer.checkpoints.invalidate(DATABASE)
    kept = writer.checkpoints.get(DATABASE)
    assert (kept.instance_start_time, kept.copies) == ("", {})


def test_dropped_database_is_not_listed(writer: CacheStore, keys: Keys, client: Any) -> None:
    Life(writer)
    writer.checkpoints.remove(DATABASE)
    assert writer.checkpoints.databases() == set()
    assert not client.exists(keys.database(DATABASE))
