"""The cost of metrics, call log and traces on the hit path, by turns: near cache, native transport, one worker each.

python -m benchmarks.observation_cost --rounds 8
python -m benchmarks.observation_cost --other ../before
"""

import argparse
import os
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from benchmarks import generator
from benchmarks.arena import Arena, arena
from benchmarks.generator import Shape
from benchmarks.probe import wait_for_workers
from benchmarks.processes import Server, cpu_seconds, free_port, tree
from benchmarks.stage import COMMAND

_SMALL = 10_000
_CALLS = 200_000
"""Distinct requests; the generator plays them again from the start."""
_VARIANTS: dict[str, dict[str, object]] = {
    "shipped": {},
    "call log": {"log_calls": "refused,slow,sample:0.001"},
    "traces": {"trace_endpoint": "http://127.0.0.1:9/v1/traces"},
    "everything": {"log_calls": "refused,slow,sample:0.001", "trace_endpoint": "http://127.0.0.1:9/v1/traces"},
}
"""Traces of callers that bring no `traceparent`."""
_OTHER = "other checkout"


@dataclass(slots=True)
class _Measured:
    per_cpu: list[float] = field(default_factory=list)


def main() -> None:
    """Run it."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    options.add_argument("--rounds", type=int, default=8, help="by turns (%(default)s)")
    options.add_argument("--seconds", type=float, default=2, help="of each turn (%(default)s)")
    options.add_argument("--other", type=Path, help="another checkout, measured beside this one")
    given = options.parse_args()
    generator.build()
    names = [*([_OTHER] if given.other else []), *_VARIANTS]
    seen = {name: _Measured() for name in names}
    with arena(_SMALL) as on, ExitStack() as running:
        servers = {name: running.enter_context(_server(on, name, given.other)) for name in names}
        for server in servers.values():
            wait_for_workers(server.port, 1)
            _pin(server.pid)
            _drive(on, server, "spread", _SMALL, 1.5)
        for number in range(given.rounds):
            for name in names if number % 2 else names[::-1]:
                seen[name].per_cpu.append(_drive(on, servers[name], "hits", _CALLS, given.seconds))
    base = median(seen[names[0]].per_cpu)
    for name, each in seen.items():
        middle = median(each.per_cpu)
        pairs = sorted(mine / first for mine, first in zip(each.per_cpu, seen[names[0]].per_cpu, strict=True))
        print(f"{name:16}{middle:10,.0f} lookups per CPU-second {middle / base:7.3f}; by pairs {median(pairs):.3f}")


def _server(on: Arena, name: str, other: Path | None) -> Server:
    port = free_port()
    settings = {"stale_after": 1_000_000, "couchdb_url": on.couchdb_url, "redis_url": on.redis_url}
    settings |= _VARIANTS.get(name, {})
    command = [COMMAND, "serve", "--listen", f"127.0.0.1:{port}", "--admin", "127.0.0.1:0", "--http", ""]
    command += ["--transport", "native", "--workers", "1", "--log-level", "warning"]
    command += [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    environment = {"PYTHONPATH": str(other)} if name == _OTHER else {}
    return Server(command, port, environment=environment)


def _pin(pid: int) -> None:
    """Keep a service on the first core: of five services only two would find a core to pin their worker to."""
    for process in tree(pid):
        for thread in Path(f"/proc/{process}/task").iterdir():
            with suppress(ProcessLookupError):
                os.sched_setaffinity(int(thread.name), {min(os.sched_getaffinity(0))})


def _drive(on: Arena, server: Server, kind: str, count: int, seconds: float) -> float:
    """Return lookups per CPU-second of the service."""
    spent: list[float] = []

    def note() -> None:
        spent.append(cpu_seconds(server.pid))

    shape = Shape(8, 16, seconds, warm=0.4)
    answers = generator.drive(server.port, on.requests(kind, "e164", count), shape, note, note)
    if set(answers.statuses) != {0} or answers.lost:
        raise SystemExit(f"not every call was answered: {answers}")
    return answers.calls / max(spent[-1] - spent[0], 0.01)


if __name__ == "__main__":
    main()
