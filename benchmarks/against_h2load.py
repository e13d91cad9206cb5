"""The load generator beside h2load, by turns: same server, same single request, same connections."""

import argparse
import re
import resource
import subprocess
from statistics import median

from benchmarks import generator
from benchmarks.arena import arena
from benchmarks.contestants import all_contestants
from benchmarks.generator import LOOKUP, Shape
from benchmarks.peers.build import lacks
from benchmarks.probe import wait_for_workers
from benchmarks.processes import Server, free_port


def main() -> None:
    """Run it."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=3, help="by turns (%(default)s)")
    options.add_argument("--seconds", type=float, default=2, help="measured in each turn (%(default)s)")
    options.add_argument("--against", default="echo native", choices=[each.name for each in all_contestants()])
    given = options.parse_args()
    reason = generator.missing() or lacks(("h2load",), packages="nghttp2-client")
    who = next(each for each in all_contestants() if each.name == given.against)
    reason = reason or who.missing()
    if reason is not None:
        raise SystemExit(reason)
    generator.build()
    port = free_port()
    seen: dict[str, list[float]] = {"h2load": [], "ours": []}
    with arena(10_000) as on, Server(who.start(on, port), port):
        wait_for_workers(port, who.workers)
        request = on.requests("hits", "e164", 1)
        shape = Shape(8, 16, given.seconds, warm=0.5)
        for _ in range(given.rounds):
            seen["h2load"].append(_h2load(port, str(request), shape))
            answers = generator.drive(port, request, shape, lambda: None, lambda: None)
            seen["ours"].append(answers.rate)
            print(f"ours: {answers.rate:,.0f}/s, {answers.cpu / answers.calls * 1e6:.1f} us of its CPU a call")
    print(f"h2load over ours, medians: {median(seen['h2load']) / median(seen['ours']):.2f}")


def _h2load(port: int, request: str, shape: Shape) -> float:
    command = ["h2load", "-c", str(shape.connections), "-m", str(shape.streams), "-d", request]
    command += ["-D", f"{shape.seconds * 1000:.0f}ms", "--warm-up-time", f"{shape.warm * 1000:.0f}ms"]
    for header in ("te: trailers", "content-type: application/grpc", f"grpc-timeout: {shape.deadline_ms}m"):
        command += ["-H", header]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [*command, f"http://127.0.0.1:{port}{LOOKUP}"], capture_output=True, text=True, check=True, timeout=60
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    rate = float((re.search(r"([\d.]+) req/s", done.stdout) or ["", "0"])[1])
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"h2load: {rate:,.0f}/s, about {cpu / (rate * (shape.seconds + shape.warm)) * 1e6:.1f} us of its CPU a call")
    return rate


if __name__ == "__main__":
    main()
