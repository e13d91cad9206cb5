"""Steps of load, below capacity and far above it: the flood generator, and what became of the calls."""

import json
import os
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.generator import FLOOD, LOOKUP, LoadError


@dataclass(frozen=True, slots=True)
class Step:
    """Calls a second, for so many seconds."""

    rate: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Callers:
    """The callers.

    Attributes:
        connections: each allows as many calls at a time as the server does, and `streams` at most.
        limited: callers turn calls away themselves while no stream is free; else such calls wait in their order.
    """

    connections: int = 16
    streams: int = 1000
    deadline_ms: int = 1000
    limited: bool = False


@dataclass(frozen=True, slots=True)
class Fate:
    """Results of the calls that were due in an interval; latencies in milliseconds, from the intended time.

    Attributes:
        right: answered with the number's own account before the deadline.
        late: answered after it; wrong: answered with anything else.
        refused: RESOURCE_EXHAUSTED; explained: those of them that say when to ask again.
        expired: sent, and not answered when the deadline was over.
        unsent: the deadline was over before a stream was free; turned_away: the caller did not wait for one.
        others: any other status; reset: ended without a status.
    """

    offered: int
    right: int
    late: int
    wrong: int
    refused: int
    explained: int
    expired: int
    unsent: int
    turned_away: int
    others: int
    reset: int
    p50: float
    p99: float
    worst: float


@dataclass(frozen=True, slots=True)
class Seen:
    """A step, and how the generator itself fared.

    Attributes:
        cpu: share of a core that the generator took.
        round_p99, round_worst: milliseconds from one of its looks at the clock to the next.
        refusal_p50, refusal_p99: milliseconds until a refusal, from the intended time.
    """

    step: Step
    fate: Fate
    cpu: float
    round_p99: float
    round_worst: float
    refusal_p50: float
    refusal_p99: float
    statuses: dict[str, int]


@dataclass(frozen=True, slots=True)
class Flooded:
    """A whole run: its steps, its tenths of a second, and connections that the server ended."""

    steps: list[Seen]
    tenths: list[Fate]
    lost_connections: int


def flood(
    port: int,
    files: tuple[Path, Path],
    steps: Sequence[Step],
    callers: Callers,
    on_step: Callable[[int], None],
    core: int | None = None,
) -> Flooded:
    """Put steps of load on a port.

    Args:
        files: requests, and for each what its answer must contain.
        on_step: told when a step begins; with the number of steps, when the last one ended.
        core: where the generator stays; None for anywhere.

    Raises:
        LoadError: the generator failed.
    """
    command = [str(FLOOD), "--port", str(port), "--path", LOOKUP]
    command += ["--requests", str(files[0]), "--expected", str(files[1])]
    command += ["--plan", ",".join(f"{each.rate:.1f}:{each.seconds:.1f}" for each in steps)]
    command += [f"--connections={callers.connections}", f"--streams={callers.streams}"]
    command += [f"--timeout-ms={callers.deadline_ms}", *(["--limited"] if callers.limited else [])]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        if core is not None:
            os.sched_setaffinity(process.pid, {core})
        assert process.stdout is not None
        last = ""
        for line in process.stdout:
            last = line
            if line.startswith("step "):
                on_step(int(line.split()[1]))
            elif line == "end\n":
                on_step(len(steps))
        problem = process.stderr.read() if process.stderr else ""
    if process.returncode or not last.startswith("{"):
        raise LoadError(problem.strip() or f"the flood generator ended with {process.returncode}")
    result = json.loads(last)
    return Flooded(
        [_seen(each) for each in result["steps"]],
        [_fate(each) for each in result["bins"]],
        int(result["lost_connections"]),
    )


def _seen(result: dict[str, float]) -> Seen:
    times = {name: result[name] / 1000 for name in ("round_p99", "round_worst", "refusal_p50", "refusal_p99")}
    statuses = result["statuses"]
    assert isinstance(statuses, dict)
    step = Step(result["rate"], result["seconds"])
    return Seen(step, _fate(result), result["cpu"] / result["seconds"], statuses=statuses, **times)


def _fate(result: dict[str, float]) -> Fate:
    times = ("p50", "p99", "worst")
    values: dict[str, Any] = {name: int(result[name]) for name in Fate.__dataclass_fields__ if name not in times}
    values |= {name: result[name] / 1000 for name in times}
    return Fate(**values)
