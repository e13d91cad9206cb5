"""The applier keeps what it cannot decide, and never reads rows again for it."""

from collections.abc import Mapping
from unittest.mock import Mock

import pytest

from router.couch.errors import CouchUnavailable, ResponseLost
from router.couch.responses import Change
from router.follower.applier import Applier
from router.numbers.routes import Policy
from router.redis_store.checkpoints import Checkpoint
from router.redis_store.replies import ApplyResult

SHARD, NUMBER = "numbers/+1415", "+14158867900"
ROW = Change("5-x", NUMBER, "2-" + "1" * 32, deleted=False, document={"_id": NUMBER, "_rev": "2-" + "1" * 32})


@pytest.mark.parametrize("problem", [ResponseLost("hangs"), CouchUnavailable("away")])
def test_older_change_that_cannot_be_looked_up_is_undecided(problem: Exception) -> None:
    cache, couch, undecided = Mock(), Mock(), list[tuple[str, str, Mapping[str, bytes]]]()
    cache.entries.apply.return_value = ApplyResult.OK, [0]
    couch.client.timeout = couch.client.with_timeout.return_value.timeout = 30.0
    applier = Applier(cache, Mock(entries=Mock(return_value=[None])), couch, 1, Policy())
    couch.client.with_timeout.return_value.read.side_effect = problem
    applier.on_undecided = lambda *each: undecided.append(each)
    applier.apply(SHARD, Checkpoint(epoch="e", complete=True), [ROW])
    ((database, epoch, changes),) = undecided
    assert (database, epoch, list(changes)) == (SHARD, "e", [NUMBER])
