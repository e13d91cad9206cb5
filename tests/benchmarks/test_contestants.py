"""Every contestant of the benchmarks that is installed starts and gives the same right answers; nothing is measured."""

from collections.abc import Iterator
from itertools import groupby

import pytest

from benchmarks import probe
from benchmarks.arena import Arena, arena
from benchmarks.contestants import Contestant, all_contestants
from benchmarks.processes import Server, free_port

NUMBERS = 200
"""Two of them take no calls."""


@pytest.fixture(scope="module")
def on() -> Iterator[Arena]:
    """Stores with the numbers in them."""
    with arena(NUMBERS) as stores:
        yield stores


def _server(who: Contestant) -> str:
    """Return what identifies the server: unary calls, batches and streams share one."""
    return who.name.removesuffix(f" {who.method}")


_SINGLE_WORKER = [each for each in all_contestants() if each.workers == 1]  # the others are the same programs
CONTESTANTS = [list(same) for _, same in groupby(sorted(_SINGLE_WORKER, key=_server), key=_server)]


@pytest.mark.parametrize("contestants", CONTESTANTS, ids=[_server(same[0]) for same in CONTESTANTS])
def test_contestant_started_gives_right_answers(on: Arena, contestants: list[Contestant]) -> None:
    who = contestants[0]
    reason = who.missing() or who.uncompiled()
    if reason is not None:
        pytest.skip(reason)
    if who.tool == "redis":
        probe.check(on, who, 0)
        return
    port = free_port()
    with Server(who.start(on, port), port, udp=who.udp):
        if who.tool == "grpc":
            probe.wait_for_workers(port, who.workers)
        for each in contestants:
            probe.check(on, each, port)


def test_pythons_own_contestants_are_always_there() -> None:
    installed = {each.name for each in all_contestants() if each.missing() is None}

    assert {
        "near grpcio",
        "near native",
        "redis native",
        "fallback grpcio",
        "near grpcio tls",
        "echo native",
    } <= installed
    assert {"textbook", "textbook tls"} <= installed
