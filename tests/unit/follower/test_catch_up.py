"""A catch-up waits for changes that hang once, and not again for each database."""

import threading
import time
from unittest.mock import Mock

import pytest

from router.couch.client import CouchClient
from router.couch.errors import NotFoundError, ResponseLost
from router.couch.responses import Change, ChangesPage
from router.couch.server import CouchServer
from router.follower import catch_up
from router.follower.catch_up import CatchUp, ChangesRepeated
from router.follower.followed_database import FollowedDatabase
from router.redis_store.checkpoints import Checkpoint

SHARD, OTHER = "numbers/+1415", "numbers/+1416"


def followed(name: str) -> FollowedDatabase:
    return FollowedDatabase(name, Checkpoint(epoch="e", seq="1-x", complete=True))


def test_after_changes_that_hung_others_are_waited_for_less(monkeypatch: pytest.MonkeyPatch) -> None:
    couch = CouchServer(CouchClient("http://admin:s3cret@couchdb.test:5984", timeout=30.0))
    reader = CatchUp(couch, Mock(), Mock(apply=lambda _, before, *__, **___: before), page=10)
    reader._confirming, reader.impatient = Mock(), Mock()
    reader._confirming.database.return_value.changes.side_effect = ResponseLost("hangs")
    reader.impatient.database.return_value.changes.return_value = ChangesPage([], "2-x", 0)
    with pytest.raises(ResponseLost):
        reader.confirm(followed(SHARD), threading.Event())
    assert reader.confirm(followed(OTHER), threading.Event()) == set()
    monkeypatch.setattr(catch_up, "IMPATIENT_TIME", 0.0)
    with pytest.raises(ResponseLost):
        reader.confirm(followed(OTHER), threading.Event())


def test_full_page_of_a_database_reported_deleted_ends_the_reading() -> None:
    """CouchDB sends all rows of a split shard again: listing the database is far shorter."""
    couch = CouchServer(CouchClient("http://admin:s3cret@couchdb.test:5984", timeout=30.0))
    reader = CatchUp(couch, Mock(), Mock(apply=lambda _, before, *__, **___: before), page=1)
    reader._confirming, reader.impatient = Mock(), Mock()
    page = ChangesPage([Change("2-x", "+14155550100", "1-a", False, None)], "2-x", 7)
    reader._confirming.database.return_value.changes.side_effect = [page, page]
    database = followed(SHARD)
    database.deletion_reported = True
    with pytest.raises(ChangesRepeated):
        reader.confirm(database, threading.Event())
    assert reader._confirming.database.return_value.changes.call_count == 1
    with pytest.raises(ChangesRepeated):
        reader.confirm(database, threading.Event())
    assert not reader.impatient.database.called, "CouchDB did not hang"


def test_reference_database_that_was_deleted_is_not_splitting() -> None:
    cache = Mock()
    cache.checkpoints.get.return_value = Checkpoint(epoch="e", complete=True)
    couch = CouchServer(CouchClient("http://admin:s3cret@couchdb.test:5984", timeout=30.0))
    reader = CatchUp(couch, cache, Mock(), page=1)
    reader.quick = Mock()
    reader.quick.database.return_value.info.side_effect = NotFoundError("missing")
    database = followed("port_requests")
    database.deletion_reported = True
    assert not reader.run(database, threading.Event()).exists
    assert not database.is_splitting(time.monotonic())


def test_slow_check_of_a_doubtful_feed_makes_no_other_impatient() -> None:
    couch = Mock()
    couch.client.timeout, couch.client.with_timeout.return_value = 30.0, couch.client
    catch_up = CatchUp(couch, Mock(), Mock(), page=1000)
    catch_up.quick, catch_up.impatient, catch_up._confirming = Mock(), Mock(), Mock()
    catch_up.impatient.database.return_value.changes.side_effect = ResponseLost("slow")
    database = FollowedDatabase("numbers/+1415", Checkpoint(epoch="e", complete=True, seq="1-x"))
    with pytest.raises(ResponseLost):
        catch_up.confirm(database, threading.Event(), is_in_doubt=True)
    catch_up.quick.database.return_value.changes.return_value = ChangesPage([], "1-x", 0)
    catch_up._read_quickly(database, threading.Event(), lambda _: None, catch_up.quick)
    assert catch_up.quick.database.called
