"""A checkpoint moves with the data that it stands for, or not at all."""

from typing import Any

import pytest

from router.redis_store.entry_reader import CacheReader
from router.redis_store.keys import Keys
from router.redis_store.writer import Applied, CacheWriter, Checkpoint
from tests.unit.cache.entries import DATABASE, NUMBER, TWO, Life, held, rev, route


def test_nothing_is_known_of_a_database_at_first(writer: CacheWriter) -> None:
    assert writer.checkpoint(DATABASE) == Checkpoint()
    assert writer.epoch(DATABASE) == ""
    assert writer.databases() == set()


def test_it_holds_what_was_said(writer: CacheWriter) -> None:
    life = Life(writer)
    life.apply(route(rev(1)), seq="12-abc")
    kept = writer.checkpoint(DATABASE)
    assert (kept.instance, kept.purges, kept.shape, kept.seq) == ("100", 0, "s", "12-abc")
    assert not kept.complete
    writer.caught_up(DATABASE, {"copy": "12-upd"})
    kept = writer.checkpoint(DATABASE)
    assert (kept.complete, kept.copies, kept.seq) == (True, {"copy": "12-upd"}, "12-abc")
    assert writer.checkpoints(["numbers/+1999", DATABASE]) == [Checkpoint(), kept]
    assert writer.databases() == {DATABASE}


def test_a_flushed_redis_refuses_to_go_on(writer: CacheWriter, reader: CacheReader, client: Any) -> None:
    life = Life(writer)
    life.apply(route(rev(1)))
    client.flushall()
    assert life.apply(route(rev(2))) == (Applied.MOVED, [])
    assert held(reader) is None
    assert writer.checkpoint(DATABASE) == Checkpoint()


def test_another_writers_step_refuses_ours(writer: CacheWriter, reader: CacheReader) -> None:
    one = Life(writer)
    checkpoint = one.checkpoint
    one.apply(route(rev(2)), seq="theirs")
    said, _ = writer.apply(DATABASE, 1, checkpoint, "ours", [(NUMBER, route(rev(3), TWO))])
    assert said is Applied.MOVED
    assert held(reader) == route(rev(2))
    assert writer.checkpoint(DATABASE).seq == "theirs"


def test_a_new_epoch_refuses_the_old_one(writer: CacheWriter) -> None:
    old = Life(writer)
    Life(writer)
    assert old.apply(route(rev(1))) == (Applied.MOVED, [])


def test_beginning_anew_forgets_the_checkpoint(writer: CacheWriter) -> None:
    life = Life(writer)
    life.apply(route(rev(1)))
    writer.caught_up(DATABASE, {"copy": "1-u"})
    begun = writer.begin(DATABASE, 1, instance="200", purges=1, shape="t")
    assert begun is not None
    kept = writer.checkpoint(DATABASE)
    assert (kept.epoch, kept.instance, kept.purges, kept.shape) == (begun.epoch, "200", 1, "t")
    assert (kept.seq, kept.copies, kept.complete) == ("", {}, False)
    assert begun.epoch != life.checkpoint.epoch


def test_an_older_token_is_fenced_off(writer: CacheWriter, reader: CacheReader) -> None:
    old = Life(writer, token=7)
    new = Life(writer, token=8)
    checkpoint = new.checkpoint
    assert writer.apply(DATABASE, 7, checkpoint, "x", [(NUMBER, route(rev(1)))]) == (Applied.FENCED, [])
    assert old.apply(route(rev(1))) == (Applied.FENCED, [])
    assert writer.begin(DATABASE, 7, instance="", purges=0, shape="") is None
    assert held(reader) is None
    assert writer.checkpoint(DATABASE).epoch == new.checkpoint.epoch


def test_tokens_compare_as_numbers_even_when_they_are_milliseconds(writer: CacheWriter) -> None:
    life = Life(writer, token=1_795_390_426_628)
    assert life.apply(route(rev(1)))[0] is Applied.OK
    checkpoint = life.checkpoint
    assert writer.apply(DATABASE, 1_795_390_426_627, checkpoint, "x", [])[0] is Applied.FENCED
    assert writer.apply(DATABASE, 999_999_999_999, checkpoint, "x", [])[0] is Applied.FENCED
    assert writer.apply(DATABASE, 1_795_390_426_629, checkpoint, "x", [])[0] is Applied.OK


@pytest.mark.parametrize("token", [7, 8])
def test_followed_documents_are_fenced_and_compared_alike(writer: CacheWriter, client: Any, token: int) -> None:
    life = Life(writer, token=8, database="accounts")
    writer.forget_documents("accounts", life.checkpoint.epoch)
    kept = {b"": life.checkpoint.epoch.encode()}
    before = life.checkpoint if token == 7 else Checkpoint(epoch="another")
    said = writer.apply_documents("accounts", token, before, "x", [("a", b"v")])[0]
    assert said is (Applied.FENCED if token == 7 else Applied.MOVED)
    assert client.hgetall(writer.keys.documents("accounts")) == kept
    assert writer.apply_documents("accounts", 8, life.checkpoint, "x", [("a", b"v")])[0] is Applied.OK
    assert client.hgetall(writer.keys.documents("accounts")) == {b"a": b"v", **kept}


def test_a_filler_from_before_a_rebuild_is_refused(writer: CacheWriter, reader: CacheReader) -> None:
    old = Life(writer)
    Life(writer)
    assert writer.fill(DATABASE, old.checkpoint.epoch, [(NUMBER, route(rev(9)))]) == -1
    assert held(reader) is None


def test_a_filler_may_write_where_no_follower_ever_was(writer: CacheWriter, reader: CacheReader) -> None:
    assert writer.fill(DATABASE, writer.epoch(DATABASE), [(NUMBER, route(rev(1)))]) == 1
    assert held(reader) == route(rev(1))


def test_a_filler_that_saw_no_epoch_is_refused_once_there_is_one(writer: CacheWriter) -> None:
    before = writer.epoch(DATABASE)
    Life(writer)
    assert writer.fill(DATABASE, before, [(NUMBER, route(rev(1)))]) == -1


def test_distrust_makes_a_database_another_one(writer: CacheWriter) -> None:
    life = Life(writer)
    life.apply(route(rev(1)))
    writer.caught_up(DATABASE, {"copy": "u"})
    writer.distrust(DATABASE)
    kept = writer.checkpoint(DATABASE)
    assert (kept.instance, kept.copies) == ("", {})


def test_a_dropped_database_is_not_listed(writer: CacheWriter, keys: Keys, client: Any) -> None:
    Life(writer)
    writer.drop(DATABASE)
    assert writer.databases() == set()
    assert not client.exists(keys.database(DATABASE))
