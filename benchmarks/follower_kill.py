"""A follower killed with SIGKILL at random while documents change; then an audit must find nothing."""

import json
import random
import subprocess
import threading
import time

import redis

from benchmarks.deployment import ACCOUNTS, Deployment, deployment, number, parser
from router.couch.errors import ConflictError, NotFoundError

_KEYS = "did-router:{follower}:status"


def main() -> None:
    """Run it."""
    options = parser(__doc__ or "", databases=300, documents=100_000)
    options.add_argument("--kills", type=int, default=5, help="SIGKILLs (%(default)s)")
    options.add_argument("--seed", type=int, default=1, help="of the random choices (%(default)s)")
    given = options.parse_args()
    chance = random.Random(given.seed)
    with deployment(given.couchdb_url, given.databases, given.documents) as on:
        stop = threading.Event()
        changed = _Writers(on, given.documents // given.databases, chance, stop)
        changed.start()
        began = time.monotonic()
        for kill in range(given.kills):
            follower = _follow(on)
            time.sleep(chance.uniform(0.5, 4.0))
            follower.kill()
            follower.wait()
            print(f"kill {kill + 1} at {time.monotonic() - began:.1f} s, {changed.count:,} changes written so far")
        follower = _follow(on)
        time.sleep(3)
        stop.set()
        changed.join()
        _wait_following(on)
        print(f"{changed.count:,} changes and {changed.deleted:,} deletions written while it was killed and led again")
        audit = subprocess.run(on.command("audit", "--json"), capture_output=True, text=True, check=False)
        print("audit:", audit.stdout.strip().splitlines()[-1][:400], f"(exit {audit.returncode})")
        follower.terminate()
        follower.wait()


class _Writers:
    """Threads that change owners and delete numbers, all over the databases."""

    def __init__(self, on: Deployment, each: int, chance: random.Random, stop: threading.Event) -> None:
        self._on, self._each, self._stop = on, each, stop
        self._seeds = [chance.random() for _ in range(3)]
        self._threads = [threading.Thread(target=self._run, args=(seed,)) for seed in self._seeds]
        self.count = self.deleted = 0

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        for thread in self._threads:
            thread.join()

    def _run(self, seed: float) -> None:
        chance = random.Random(seed)
        while not self._stop.is_set():
            name = chance.choice(self._on.names)
            identifier = number(name, chance.randrange(self._each))
            try:
                self._change(name, identifier, chance)
            except (ConflictError, NotFoundError):
                continue

    def _change(self, name: str, identifier: str, chance: random.Random) -> None:
        found = dict(self._on.databases.database(name).get(identifier))
        if chance.random() < 0.05:
            self._on.databases.database(name).delete(identifier, found["_rev"])
            self.deleted += 1
            return
        self._on.databases.database(name).put(found | {"pvt_assigned_to": chance.choice(ACCOUNTS)})
        self.count += 1


def _follow(on: Deployment) -> subprocess.Popen[bytes]:
    return subprocess.Popen(on.command("follow", "--set", "follower_lease_ttl=1", "--log-level", "error"))


def _wait_following(on: Deployment) -> None:
    client = redis.Redis.from_url(on.redis_url)
    settled = 0
    end = time.monotonic() + 120
    while settled < 5:
        if time.monotonic() > end:
            raise SystemExit("the follower did not catch up within 120 s")
        result = json.loads(client.get(_KEYS) or b"{}")
        fresh = time.time() - result.get("at", 0) < 2
        settled = settled + 1 if fresh and result["phase"] == "following" and not result["behind"] else 0
        time.sleep(0.3)


if __name__ == "__main__":
    main()
