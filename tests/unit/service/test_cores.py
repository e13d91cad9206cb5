import os
import threading

import pytest

from router.service.cores import core_of, staying_on

pytestmark = pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="no affinity on this system")


def test_workers_get_the_cores_that_the_process_may_use_in_turn() -> None:
    allowed = sorted(os.sched_getaffinity(0))

    assert [core_of(index) for index in range(len(allowed) + 1)] == [*allowed, allowed[0]]


def test_the_thread_and_those_it_starts_stay_while_it_lasts() -> None:
    before = os.sched_getaffinity(0)
    core = core_of(0)
    seen: list[set[int]] = []
    with staying_on(core):
        thread = threading.Thread(target=lambda: seen.append(os.sched_getaffinity(0)))
        thread.start()
        thread.join()
        seen.append(os.sched_getaffinity(0))

    assert seen == [{core}, {core}]
    assert os.sched_getaffinity(0) == before


def test_no_core_means_anywhere() -> None:
    before = os.sched_getaffinity(0)
    with staying_on(None):
        assert os.sched_getaffinity(0) == before


def test_a_core_that_may_not_be_used_is_no_reason_to_end() -> None:
    before = os.sched_getaffinity(0)
    beyond = max(before) + 500
    with staying_on(beyond):
        assert os.sched_getaffinity(0) == before
    assert os.sched_getaffinity(0) == before
