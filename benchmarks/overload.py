"""Below capacity and far above it, what is answered and what is refused: python -m benchmarks.overload CASE.

For each case a worker is started, its capacity measured in a closed loop, then multiples of it are offered: some
seconds each, ten times for a minute, and half of it again. The load generator stays on a core of its own. Results go
to benchmarks/results, a table is printed, and a picture drawn of every case measured so far.
"""

import argparse
import json
import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import mkdtemp
from urllib.parse import urlsplit

from benchmarks import generator, overload_page, probe
from benchmarks.arena import Arena, arena
from benchmarks.contestants import all_contestants
from benchmarks.directory import frame
from benchmarks.flood import Callers, Fate, Flooded, Step, flood
from benchmarks.generator import FLOOD, Shape
from benchmarks.processes import Server, free_port, resident_megabytes
from benchmarks.slow_store import SlowLink

RESULTS = Path(__file__).parent / "results"
_NUMBERS, _ASKED = 10_000, 100_000
_MULTIPLES = (0.5, 0.8, 1, 1.5, 2, 3, 5, 10)
_MOST = 10.0
_SHAPES = ((8, 16), (8, 32))
"""Connections, and calls on each at a time: few enough for a slow database to refuse none of them."""
_PATIENCE_MS = 10_000
"""Callers that capacity is measured with are refused nothing: who is refused asks for the next number at once, so that
the same numbers come round and share readings, and more calls are answered than numbers can be read."""
_SLOW, _SLOWER = 600_000.0, 200_000.0
"""Bytes a second of a number database at its limit: some 900 and some 300 documents."""
_WELL = 0.99
_SLOW_START = 1.5


@dataclass(frozen=True)
class Schedule:
    """Seconds of each part of a case.

    Attributes:
        warm, capacity: of each closed loop before the flood, before it is measured and while it is.
        filling: share of the time in which a contestant's near cache is filled.
        multiple: of each multiple of the capacity.
        before, minute, after: half of the capacity, ten times of it, and half of it again.
    """

    warm: float = 1.0
    capacity: float = 3.0
    filling: float = 1.0
    multiple: float = 3.0
    before: float = 3.0
    minute: float = 60.0
    after: float = 5.0

    def steps(self, capacity: float) -> list[Step]:
        """Return the steps of the flood."""
        steps = [Step(capacity * each, self.multiple) for each in _MULTIPLES]
        ends = [Step(capacity / 2, self.before), Step(capacity * _MOST, self.minute), Step(capacity / 2, self.after)]
        return [*steps, *ends]


QUICK = Schedule(warm=0.1, capacity=0.2, filling=0.1, multiple=0.05, before=0.1, minute=0.2, after=0.3)
"""Shows that everything still runs; the figures mean nothing."""


@dataclass(frozen=True, slots=True)
class OverloadCase:
    """A service under a flood.

    Attributes:
        contestant: the service, by the name under which it is measured elsewhere.
        callers: who calls.
        slow: bytes a second that its number database gives; 0 for as many as it can.
    """

    contestant: str
    callers: Callers
    slow: float = 0


_QUEUE = Callers(connections=8)
_LIMITED = Callers(connections=8, limited=True)
CASES = {
    "database": OverloadCase("fallback native", _QUEUE, _SLOW),
    "database grpcio": OverloadCase("fallback grpcio", _QUEUE, _SLOWER),
    "database grpcio, more than it can refuse": OverloadCase("fallback grpcio", _QUEUE, _SLOW),
    "database grpcio, callers bound": OverloadCase("fallback grpcio", _LIMITED, _SLOW),
    "redis": OverloadCase("redis native", _LIMITED),
    "near": OverloadCase("near native", _LIMITED),
    "near, callers queue": OverloadCase("near native", _QUEUE),
    "near grpcio": OverloadCase("near grpcio", _LIMITED),
    "near grpcio, callers queue": OverloadCase("near grpcio", _QUEUE),
}


def main() -> None:
    """Measure the cases that were named, and show all that were ever measured here."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("cases", nargs="*", metavar="CASE", help=f"any of: {'; '.join(CASES)} (default: all)")
    options.add_argument("--seconds", type=float, help=f"for each multiple ({Schedule.multiple})")
    options.add_argument("--minute", type=float, help=f"seconds of ten times the capacity ({Schedule.minute})")
    options.add_argument("--quick", action="store_true", help="a few seconds, for a look: the figures mean nothing")
    options.add_argument("--out", type=Path, help=f"folder of the results ({RESULTS}; with --quick a temporary one)")
    given = options.parse_args()
    if unknown := set(given.cases) - set(CASES):
        options.error(f"no such case: {', '.join(sorted(unknown))}; there are: {'; '.join(CASES)}")
    if given.quick and (given.seconds or given.minute):
        options.error("--quick has its own --seconds and --minute")
    if (reason := generator.missing()) is not None:
        raise SystemExit(f"nothing can be measured: {reason}")
    generator.build()
    generator.build(FLOOD)
    # Figures that mean nothing must not replace measured ones.
    out = given.out or (Path(mkdtemp(prefix="overload-")) if given.quick else RESULTS)
    out.mkdir(exist_ok=True)
    schedule = QUICK if given.quick else _schedule(given.seconds, given.minute)
    for name in given.cases or CASES:
        with arena(_NUMBERS) as on:
            seen = measure(on, CASES[name], schedule)
        path = out / f"overload {name}.json"
        path.write_text(json.dumps(seen, indent=1))
        print(overload_page.table({name: seen}), flush=True)
    print(overload_page.draw(overload_page.read(out), out) or "no picture: matplotlib is not installed")


def _schedule(seconds: float | None, minute: float | None) -> Schedule:
    return Schedule(multiple=seconds or Schedule.multiple, minute=minute or Schedule.minute)


def measure(on: Arena, case: OverloadCase, schedule: Schedule) -> dict[str, object]:
    """Return what was seen of one case, as it goes into a file."""
    files = (on.requests("spread", "e164", _ASKED), _expected(on))
    with ExitStack() as stack:
        if case.slow:
            stack.enter_context(_slowed(on, case.slow))
        port = free_port()
        contestant = next(each for each in all_contestants() if each.name == case.contestant)
        server = stack.enter_context(Server(contestant.start(on, port), port))
        time.sleep(_SLOW_START) if case.slow else probe.check(on, contestant, port)
        warm, filling = schedule.warm, schedule.filling * contestant.filling
        _drive(port, files[0], Shape(8, 16, max(warm, filling), warm=warm))
        closed = [Shape(*each, schedule.capacity, warm=warm, deadline_ms=_PATIENCE_MS) for each in _SHAPES]
        rates = [_drive(port, files[0], each) for each in closed]
        capacity = max(rates)
        print(
            f"{case.contestant}: capacity {capacity:,.0f} a second ({' and '.join(f'{each:,.0f}' for each in rates)})"
        )
        steps = schedule.steps(capacity)
        memory = _Memory(server.pid, len(steps))
        try:
            flooded = flood(port, files, steps, case.callers, memory.on_step, core=_core())
        finally:
            memory.on_step(len(steps))
        return _row(case, capacity, flooded, memory.peak)


class _Memory:
    """The most megabytes that a server held in each step, looked at ten times a second."""

    def __init__(self, pid: int, steps: int) -> None:
        self._pid = pid
        self._steps = steps
        self._at = -1
        self.peak = [0.0] * steps
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def on_step(self, index: int) -> None:
        self._at = index
        if index == 0:
            self._thread.start()

    def _watch(self) -> None:
        while (step := self._at) < self._steps:
            self.peak[step] = max(self.peak[step], resident_megabytes(self._pid))
            time.sleep(0.1)


def _row(case: OverloadCase, capacity: float, flooded: Flooded, memory: Sequence[float]) -> dict[str, object]:
    steps = [
        asdict(each) | {"multiple": round(each.step.rate / capacity, 2), "memory": peak}
        for each, peak in zip(flooded.steps, memory, strict=True)
    ]
    end = round(10 * sum(each.step.seconds for each in flooded.steps[:-1]))
    return {
        "contestant": case.contestant,
        "limited": case.callers.limited,
        "capacity": capacity,
        "steps": steps,
        "lost_connections": flooded.lost_connections,
        "recovered_after": _recovered(flooded.tenths[end:], max(20.0, 2 * flooded.steps[-3].fate.p99)),
        "tenths": [{"offered": each.offered, "right": each.right} for each in flooded.tenths],
    }


def _recovered(tenths: Sequence[Fate], slowest: float) -> float | None:
    """Seconds after which every tenth of a second has its calls answered, and as fast as before; None if never."""
    well = [each.right >= _WELL * each.offered and each.p99 <= slowest for each in tenths if each.offered > 1]
    bad = [index for index, each in enumerate(well) if not each]
    if not bad:
        return 0.0
    return None if bad[-1] == len(well) - 1 else (bad[-1] + 1) / 10


def _drive(port: int, requests: Path, shape: Shape) -> float:
    seen = generator.drive(port, requests, shape, lambda: None, lambda: None)
    return seen.statuses.get(0, 0) / seen.seconds


def _expected(on: Arena) -> Path:
    """For each request the account that its answer must name."""
    path = on.folder / "expected"
    owners = {on.directory.number(index): on.directory.account(index) for index in range(on.directory.count)}
    with path.open("wb") as file:
        file.writelines(frame(owners[number].encode()) for number in on.directory.asked("spread", _ASKED))
    return path


@contextmanager
def _slowed(on: Arena, bytes_a_second: float) -> Iterator[None]:
    url = on.couchdb_url
    port = urlsplit(url).port or 0
    link = SlowLink(port, bytes_a_second)
    on.couchdb_url = url.replace(str(port), str(link.port))
    yield
    link.close()
    on.couchdb_url = url


def _core() -> int | None:
    """The last core: workers begin at the first."""
    cores = sorted(os.sched_getaffinity(0))
    return cores[-1] if len(cores) > 1 else None


if __name__ == "__main__":
    main()
