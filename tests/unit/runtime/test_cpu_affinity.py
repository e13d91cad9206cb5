"""Cores that workers keep to: claimed once on a machine, and left again."""

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from router.runtime import cpu_affinity
from router.runtime.cpu_affinity import ClaimedCores, may_pin, pinned_to, unpin_thread

pytestmark = pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="no affinity on this system")


@pytest.fixture
def allowed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The cores of this process; claims of services that run meanwhile have other names."""
    monkeypatch.setattr(cpu_affinity, "_CLAIM", f"\0did-router/test-{os.getpid()}/{{core}}")
    return sorted(os.sched_getaffinity(0))


def test_workers_get_a_core_each_as_long_as_there_are_any(allowed: list[int]) -> None:
    claimed = ClaimedCores(len(allowed) + 1)

    assert [claimed.core(index) for index in range(len(allowed) + 1)] == [*allowed, None]
    claimed.release()


def test_only_as_many_as_are_wanted_are_claimed(allowed: list[int]) -> None:
    first, second = ClaimedCores(1), ClaimedCores(len(allowed))

    assert first.core(0) == allowed[0]
    assert [second.core(index) for index in range(len(allowed))] == [*allowed[1:], None]
    first.release()
    second.release()


def test_core_can_be_claimed_again_when_it_was_released(allowed: list[int]) -> None:
    ClaimedCores(1).release()
    claimed = ClaimedCores(1)

    assert claimed.core(0) == allowed[0]
    claimed.release()


def test_core_can_be_claimed_again_when_its_process_was_killed(allowed: list[int]) -> None:
    script = (
        "import sys, os, signal; from router.runtime import cpu_affinity as cores;"
        "cores._CLAIM = sys.argv[1].replace('@', chr(0));"
        "held = cores.ClaimedCores(1); print(held.core(0), flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    name = cpu_affinity._CLAIM.replace("\0", "@")
    killed = subprocess.run([sys.executable, "-c", script, name], capture_output=True, text=True, check=False)
    claimed = ClaimedCores(1)

    assert killed.stdout.split() == [str(allowed[0])]
    assert claimed.core(0) == allowed[0]
    claimed.release()


def _pins_in_a_container(*namespaces: str) -> str:
    """Return the result of may_pin in namespaces of its own."""
    command = ["unshare", *namespaces, sys.executable, "-c"]
    script = "from router.runtime import cpu_affinity as own; own.cpu_limit = float; print(own.may_pin())"
    try:
        done = subprocess.run([*command, script], capture_output=True, text=True, check=True, timeout=30)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no namespace can be made here")
    return done.stdout.strip()


def test_container_without_a_cpu_limit_pins_nothing() -> None:
    assert _pins_in_a_container("--pid", "--fork", "--mount-proc") == "False"


def test_network_namespace_of_its_own_pins_nothing() -> None:
    """Claims are not seen across such namespaces, as of `ip netns exec`."""
    assert _pins_in_a_container("--net") == "False"


@pytest.mark.parametrize(("limit", "pins"), [(0, True), (1, False)])
def test_container_pins_where_its_limit_is_its_cpuset(monkeypatch: pytest.MonkeyPatch, limit: int, pins: bool) -> None:
    monkeypatch.setattr(os, "readlink", lambda _: "pid:[4026532177]")
    monkeypatch.setattr(cpu_affinity, "cpu_limit", lambda: len(os.sched_getaffinity(0)) + limit)

    assert may_pin() is pins


def test_thread_and_those_it_starts_stay_while_it_lasts() -> None:
    before = os.sched_getaffinity(0)
    core = min(before)
    seen: list[set[int]] = []
    with pinned_to(core):
        thread = threading.Thread(target=lambda: seen.append(os.sched_getaffinity(0)))
        thread.start()
        thread.join()
        seen.append(os.sched_getaffinity(0))

    assert seen == [{core}, {core}]
    assert os.sched_getaffinity(0) == before


def test_no_core_means_anywhere() -> None:
    before = os.sched_getaffinity(0)
    with pinned_to(None):
        assert os.sched_getaffinity(0) == before


def test_core_that_may_not_be_used_is_no_reason_to_end() -> None:
    before = os.sched_getaffinity(0)
    beyond = max(before) + 500
    with pinned_to(beyond):
        assert os.sched_getaffinity(0) == before
    assert os.sched_getaffinity(0) == before


def test_thread_may_leave_the_core_of_who_started_it() -> None:
    before = os.sched_getaffinity(os.getpid())
    seen: list[set[int]] = []

    def run() -> None:
        unpin_thread()
        seen.append(os.sched_getaffinity(0))

    def start() -> None:
        with pinned_to(min(before)), ThreadPoolExecutor(1) as pool:
            pool.submit(run).result()

    starter = threading.Thread(target=start)
    starter.start()
    starter.join()

    assert seen == [before]
