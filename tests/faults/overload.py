"""`python -m tests.faults.overload`: what is answered and what is refused, below capacity and far above it.

One worker, so that the load generator of benchmarks/ has a core to itself on a small machine. Capacity is what a closed
loop of few calls gets; then multiples of it are offered in an open loop. Numbers are answered from Redis' side of the
cache (`near_cache_entries=0`) or from the near cache.
"""

import struct
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import click

from benchmarks.generator import Answers, Shape, build, drive
from router.v1 import inbound_pb2 as pb
from router.v1.inbound_pb2_grpc import InboundRouterStub
from tests.cli.command import children_of
from tests.faults.ledger import Ledger
from tests.faults.load import Writers
from tests.faults.stage import NUMBERS, Stage

_HEAD = (
    "| front | offered | of capacity | answered/s | refused/s | not in time | p50 | p99 | worst | memory |\n"
    "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"
)
_CAPACITY = Shape(connections=4, streams=16, seconds=3.0)


@click.command()
@click.option("--seconds", type=float, default=5.0, help="For each step.")
@click.option("--multiple", "multiples", type=float, multiple=True, default=(0.5, 1, 2, 5, 10), help="Of capacity.")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="Settings of the service.")
def main(seconds: float, multiples: tuple[float, ...], settings: tuple[str, ...]) -> None:
    """Offer multiples of what one worker can answer."""
    build()
    click.echo(_HEAD)
    for transport in ("native", "grpcio"):
        more = [word for each in settings for word in ("--set", each)]
        with Stage(transport=transport, workers=1, more=more) as stage, _requests() as requests:
            writers = Writers(stage, Ledger(), 0, iter(stage.accounts))
            for number in NUMBERS:
                writers.write_by_hand(number)
            time.sleep(2)
            port = int(stage.target.rpartition(":")[2])
            capacity = _drive(port, requests, _CAPACITY).rate
            for multiple in multiples:
                shape = Shape(16, 1000, seconds, rate=capacity * multiple)
                _tell(transport, multiple, shape, _drive(port, requests, shape), _memory(stage))
            time.sleep(1)
            after = _drive(port, requests, replace(_CAPACITY, rate=capacity / 2))
            _tell(transport, 0.5, replace(_CAPACITY, rate=capacity / 2), after, _memory(stage))
            with stage.channel() as channel:
                assert InboundRouterStub(channel).Lookup(pb.LookupRequest(number=NUMBERS[0]), timeout=5).account_id


def _drive(port: int, requests: Path, shape: Shape) -> Answers:
    return drive(port, requests, shape, lambda: None, lambda: None)


def _tell(transport: str, multiple: float, shape: Shape, seen: Answers, memory: int) -> None:
    answered, refused = seen.statuses.get(0, 0), seen.statuses.get(8, 0)
    others = sum(seen.statuses.values()) - answered - refused + seen.lost
    latency = seen.percentiles
    cells = (
        transport,
        f"{shape.rate:,.0f}/s",
        f"{multiple:g} times",
        f"{answered / seen.seconds:,.0f}",
        f"{refused / seen.seconds:,.0f}",
        f"{others / seen.seconds:,.0f}/s",
        *(f"{latency.get(name, float('nan')):.1f} ms" for name in ("50", "99")),
        f"{seen.worst:.0f} ms",
        f"{memory >> 20} MB",
    )
    click.echo(f"| {' | '.join(cells)} |")


def _memory(stage: Stage) -> int:
    """Bytes that the service's largest process holds now."""
    sizes = [0]
    for process in children_of(stage.service.pid):
        lines = Path(f"/proc/{process}/status").read_text("ascii").splitlines()
        sizes += [int(line.split()[1]) << 10 for line in lines if line.startswith("VmRSS:")]
    return max(sizes)


@contextmanager
def _requests() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "requests"
        messages = [pb.LookupRequest(number=number).SerializeToString() for number in NUMBERS]
        path.write_bytes(b"".join(b"\0" + struct.pack(">I", len(each)) + each for each in messages))
        yield path


if __name__ == "__main__":
    main()
