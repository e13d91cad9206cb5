import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from router.service.cores import core_of, leave_core, staying_on

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


def test_a_thread_may_leave_the_core_of_who_started_it() -> None:
    before = os.sched_getaffinity(os.getpid())
    seen: list[set[int]] = []

    def run() -> None:
        leave_core()
        seen.append(os.sched_getaffinity(0))

    def start() -> None:
        with staying_on(core_of(0)), ThreadPoolExecutor(1) as pool:
            pool.submit(run).result()

    starter = threading.Thread(target=start)
    starter.start()
    starter.join()

    assert seen == [before]
