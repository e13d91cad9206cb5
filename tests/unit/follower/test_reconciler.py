"""A sweep wakes the databases that moved, and asks again where only an unknown copy answered."""

from collections.abc import Mapping
from typing import Any
from unittest.mock import Mock

import pytest

from router.couch.responses import DatabaseInfo
from router.follower.reconciler import Reconciler
from router.redis_store.checkpoints import Checkpoint

SHARD = "numbers/+1415"
A, B = {"node1 00-ff": "5 a"}, {"node2 00-ff": "7 b"}


def sweep(checkpoint: Checkpoint, *answers: Mapping[str, str]) -> tuple[int, int]:
    """Sweep over one database whose copies answer one after the other; return requests made and databases woken."""
    left = list(answers)

    def infos(names: Any) -> dict[str, DatabaseInfo | None]:
        copies = left.pop(0) if SHARD in names else {}
        return {name: info_of(copies) if name == SHARD else None for name in names}

    couch, cache, scheduler = Mock(), Mock(), Mock(lock=Mock(__enter__=Mock(), __exit__=Mock()))
    couch.shards.return_value, couch.infos.side_effect = [SHARD], infos
    absent = Checkpoint(epoch="e", complete=True)
    cache.checkpoints.get_many.side_effect = lambda names: [checkpoint if n == SHARD else absent for n in names]
    cache.checkpoints.databases.return_value = {SHARD}
    applier = Mock()
    applier.fingerprint_of.return_value = "f"
    reconciler = Reconciler(couch, cache, applier, scheduler, Mock(), Mock(), Mock(), interval=60.0)
    reconciler._sweep(hurry=True)
    return couch.infos.call_count, scheduler.wake.call_count


def info_of(copies: Mapping[str, str]) -> DatabaseInfo:
    return DatabaseInfo(SHARD, "10", copies, purges=0, documents=12, copies_kept=3)


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([A], (1, 0)),
        ([B, A], (2, 0)),
        ([B, B], (2, 1)),
        ([{"node1 00-ff": "6 a"}], (1, 1)),
        ([{"node1 00-ff": "6 a"} | B], (1, 1)),
        ([B, {"node1 00-ff": "6 a"}], (2, 1)),
    ],
)
def test_sweep_by_the_copies_that_answer(answers: list[dict[str, str]], expected: tuple[int, int]) -> None:
    checkpoint = Checkpoint("e", "10", 0, "f", "12-x", A, complete=True)
    assert sweep(checkpoint, *answers) == expected


def test_sweep_of_an_incomplete_checkpoint_wakes_at_once() -> None:
    assert sweep(Checkpoint("e", "10", 0, "f", "12-x", A, complete=False), B) == (1, 1)
