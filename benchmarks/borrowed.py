"""Measures calls that the native transport forwards to grpcio, and the same on grpcio itself, by turns."""

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from benchmarks import probe
from benchmarks.arena import Arena, arena
from benchmarks.contestants import all_contestants
from benchmarks.processes import Server, free_port
from router.v1 import inbound_pb2 as pb
from router.v1.inbound_pb2_grpc import InboundRouterStub

_NUMBERS = 1000
_BATCH_SIZE = 100
Act = Callable[[], object]


def main() -> None:
    """Run it."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=3, help="turns of each transport (%(default)s)")
    options.add_argument("--calls", type=int, default=1000, help="of each kind in each turn (%(default)s)")
    given = options.parse_args()
    seen: dict[tuple[str, str], list[float]] = {}
    with arena(_NUMBERS) as on:
        for _ in range(given.rounds):
            for transport in ("native", "grpcio"):
                _turn(on, transport, given.calls, seen)
    print(f"{'milliseconds, one call after the other (median)':<50}{'native':>10}{'grpcio':>10}")
    for kind in dict.fromkeys(kind for _, kind in seen):
        native, grpcio = (statistics.median(seen[transport, kind]) for transport in ("native", "grpcio"))
        print(f"{kind:<50}{native:>10.3f}{grpcio:>10.3f}")


def _turn(on: Arena, transport: str, calls: int, seen: dict[tuple[str, str], list[float]]) -> None:
    who = next(each for each in all_contestants() if each.name == f"near {transport}")
    port = free_port()
    with Server(who.start(on, port), port), grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        probe.wait_for_workers(port, 1)
        for kind, act in _kinds(on, channel):
            act()
            for _ in range(calls):
                began = time.perf_counter()
                act()
                seen.setdefault((transport, kind), []).append((time.perf_counter() - began) * 1000)


def _kinds(on: Arena, channel: grpc.Channel) -> Iterator[tuple[str, Act]]:
    router = InboundRouterStub(channel)
    health: Any = health_pb2_grpc.HealthStub(channel)
    reflection: Any = reflection_pb2_grpc.ServerReflectionStub(channel)
    asked = pb.LookupRequest(number=on.directory.number(0))
    many = pb.LookupBatchRequest(
        lookups=[pb.LookupRequest(number=on.directory.number(at)) for at in range(_BATCH_SIZE)]
    )
    listing = reflection_pb2.ServerReflectionRequest(list_services="")
    yield "Lookup (its own)", lambda: router.Lookup(asked, timeout=2)
    yield f"LookupBatch of {_BATCH_SIZE}", lambda: router.LookupBatch(many, timeout=2)
    yield (
        "LookupStream opened, one lookup, ended",
        lambda: list(router.LookupStream(iter([pb.LookupStreamRequest(id="1", lookup=asked)]), timeout=2)),
    )
    yield "Explain", lambda: router.Explain(pb.ExplainRequest(lookup=asked), timeout=2)
    yield "health", lambda: health.Check(health_pb2.HealthCheckRequest(), timeout=2)
    yield "reflection: the list of services", lambda: list(reflection.ServerReflectionInfo(iter([listing]), timeout=2))


if __name__ == "__main__":
    main()
