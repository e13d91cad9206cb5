"""A listing removes nothing on the word of one copy."""

import threading
from unittest.mock import Mock

import pytest

from router.couch.responses import Latest
from router.entries.codec import VERSION
from router.follower.followed_database import FollowedDatabase
from router.follower.listing_catch_up import ListingCatchUp
from router.redis_store.checkpoints import Checkpoint

SHARD, NUMBER = "numbers/+1415", "+14158867900"


@pytest.mark.parametrize("elsewhere", [Latest(), Latest({"_id": NUMBER, "_rev": "1-a"}, "1-a")])
def test_number_that_one_copy_lacks_is_removed_if_the_others_lack_it(
    monkeypatch: pytest.MonkeyPatch, elsewhere: Latest
) -> None:
    monkeypatch.setattr("router.follower.listing_catch_up._COPY_DELAY", 0.0)
    monkeypatch.setattr("router.follower.listing_catch_up._is_absence", lambda *_: False)
    source, cache = Mock(), Mock()
    source.revisions.return_value = []
    source.get_latest.return_value = {NUMBER: Latest()}
    source.get_latest_of_copies.return_value = {NUMBER: elsewhere}
    cache.entries.scan.return_value = [[("key", NUMBER)]]
    applier = Mock()
    applier.held.return_value = {NUMBER: b"x" * VERSION}
    applier.apply.side_effect = lambda _, checkpoint, *__, **___: checkpoint
    couch = Mock()
    couch.database.return_value = source
    database = FollowedDatabase(SHARD, Checkpoint(epoch="e", seq="1-x", complete=True))
    ListingCatchUp(couch, cache, applier).run(database, threading.Event(), lambda _: None)
    applied = [change.id for call in applier.apply.call_args_list for change in call.args[2]]
    assert applier.remove.called is (not elsewhere.revision)
    assert applied == ([NUMBER] if elsewhere.revision else [])
