"""Warm-up beside plain reading of the same documents with curl, and beside a straightforward copy of them."""

import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import redis

from benchmarks.deployment import Deployment, deployment, parser


def main() -> None:
    """Run it."""
    options = parser(__doc__ or "", databases=20, documents=100_000)
    options.add_argument("--rounds", type=int, default=3, help="by turns (%(default)s)")
    given = options.parse_args()
    with deployment(given.couchdb_url, given.databases, given.documents) as on:
        for _ in range(given.rounds):
            seen = measure(on, given.documents)
            print(
                f"curl one at a time {seen['plain']:,.0f}/s, two at a time {seen['plain2']:,.0f}/s; "
                f"warm {seen['warm']:,.0f}/s by its own count, {seen['whole']:,.0f}/s with its start; "
                f"copied {seen['copy']:,.0f}/s with its start; "
                f"ratio to curl one at a time {seen['warm'] / seen['plain']:.2f}, "
                f"two {seen['warm'] / seen['plain2']:.2f}, to a copy {seen['whole'] / seen['copy']:.2f}"
            )


def measure(on: Deployment, documents: int) -> dict[str, float]:
    """Documents a second: by curl one database at a time, two at a time, by `warm`, with warm's start, by a copy."""
    one, two, warm, copied = _curl(on, 1), _curl(on, 2), _warm(on), _copy(on)
    return {
        "databases": len(on.names),
        "documents": documents,
        "plain": documents / one,
        "plain2": documents / two,
        "warm": documents / warm["seconds"],
        "whole": documents / warm["wall"],
        "copy": documents / copied,
        "real": on.is_real,
    }


def _curl(on: Deployment, at_a_time: int) -> float:
    """Seconds to read everything, each curl keeping its connection from one database to the next."""
    base = on.couchdb_url.rstrip("/")

    def read(names: list[str]) -> None:
        urls = (f"{base}/{quote(name, safe='')}/_all_docs?include_docs=true" for name in names)
        config = "".join(f'url = "{url}"\noutput = "/dev/null"\n' for url in urls)
        subprocess.run(["curl", "-sf", "--config", "-"], input=config, text=True, check=True)

    began = time.monotonic()
    with ThreadPoolExecutor(at_a_time) as pool:
        list(pool.map(read, [on.names[part::at_a_time] for part in range(at_a_time)]))
    return time.monotonic() - began


def _warm(on: Deployment) -> dict[str, float]:
    redis.Redis.from_url(on.redis_url).flushall()
    began = time.monotonic()
    result = subprocess.run(on.command("warm", "--json"), capture_output=True, check=True)
    return {**json.loads(result.stdout), "wall": time.monotonic() - began}


def _copy(on: Deployment) -> float:
    """Seconds of a straightforward copy, with its start."""
    redis.Redis.from_url(on.redis_url).flushall()
    command = [sys.executable, "-m", "benchmarks.peers.textbook_copy", "--couchdb-url", on.couchdb_url]
    began = time.monotonic()
    subprocess.run([*command, "--redis-url", on.redis_url, *on.names], check=True)
    return time.monotonic() - began


if __name__ == "__main__":
    main()
