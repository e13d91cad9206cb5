"""What can go wrong, by name, and what docs/architecture.md promises while it does.

A fault begins, lasts for some seconds, and is over: what was killed is started again as a service manager would do it,
what was frozen goes on, what was cut may connect. From there on nobody lends a hand.
"""

import contextlib
import os
import random
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from router.numbers.shards import database_of
from tests.faults.ledger import NOBODY
from tests.faults.links import Trouble
from tests.faults.load import Writers
from tests.faults.programs import Program
from tests.faults.stage import NUMBERS, SHARDS, STALE_AFTER, Stage

USUAL = 3.0
"""A change in a database at rest is promised within about a second; the rest is for a busy machine."""
UNSEEN = STALE_AFTER + USUAL
"""A change that the follower can't see or pass on: answers are marked stale after `stale_after`."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What a fault may lay hands on."""

    stage: Stage
    writers: Writers
    chance: random.Random


Begin = Callable[[Scene], AbstractContextManager[None]]


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to fail.

    Attributes:
        during: begins it when entered, and ends it when left.
        quiet: seconds for which answers may go on being old without being flagged.
        forgets: Redis comes back with less than it acknowledged, so this holds for the number manager's changes too.
        slow: it lasts longer.
    """

    name: str
    during: Begin
    quiet: float = UNSEEN
    forgets: bool = False
    slow: bool = False

    @property
    def victim(self) -> str:
        """What can't suffer from another fault at the same time: a dead process can't be frozen."""
        first = self.name.partition(" ")[0]
        return "service" if first in {"worker", "supervisor"} else first


def _killed(which: str, *, listens: bool = True) -> Begin:
    @contextmanager
    def during(scene: Scene) -> Iterator[None]:
        program: Program = getattr(scene.stage, which)
        program.kill()
        yield
        program.start()
        if listens:
            program.wait_listening()

    return during


def _frozen(which: str) -> Begin:
    @contextmanager
    def during(scene: Scene) -> Iterator[None]:
        program: Program = getattr(scene.stage, which)
        program.freeze()
        yield
        program.thaw()

    return during


@contextmanager
def _worker_killed(scene: Scene) -> Iterator[None]:
    """The supervisor starts another."""
    _signal(scene.chance.choice(scene.stage.service.workers()), signal.SIGKILL)
    yield


@contextmanager
def _worker_frozen(scene: Scene) -> Iterator[None]:
    worker = scene.chance.choice(scene.stage.service.workers())
    _signal(worker, signal.SIGSTOP)
    yield
    _signal(worker, signal.SIGCONT)


def _linked(link: str, trouble: Trouble) -> Begin:
    @contextmanager
    def during(scene: Scene) -> Iterator[None]:
        scene.stage.links[link].suffer(trouble)
        yield
        scene.stage.links[link].heal()

    return during


@contextmanager
def _flushed(scene: Scene) -> Iterator[None]:
    with scene.stage.client() as client:
        client.flushall()
    yield


@contextmanager
def _remade(scene: Scene) -> Iterator[None]:
    """A database goes, and one of the same name has other owners, of a lower generation."""
    shard = scene.chance.choice(SHARDS)
    numbers = [number for number in NUMBERS if database_of(number) == shard]
    databases, ledger = scene.stage.databases, scene.writers.ledger
    with contextlib.ExitStack() as stack:
        for turn in scene.writers.turns:
            stack.enter_context(turn)
        gone = [ledger.claim(number, NOBODY) for number in numbers]
        databases.drop(shard)
        for claim in gone:
            ledger.acknowledge(claim, scene.writers.quiet)
        databases.create(shard)
        for number in numbers:
            scene.writers.write_by_hand(number)
    yield


def _signal(process: int, which: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, which)


LINKS = ("service-redis", "service-couchdb", "follower-redis", "follower-couchdb")
_NET = (Trouble.REFUSE, Trouble.CUT, Trouble.DELAY, Trouble.DRIP, Trouble.HALF_OPEN, Trouble.DROP)
_LYING = (Trouble.GARBAGE, Trouble.ERROR, Trouble.TOO_MANY, Trouble.MID_LINE)

CATALOGUE: dict[str, Fault] = {
    fault.name: fault
    for fault in (
        Fault("redis killed", _killed("redis")),
        Fault("redis killed, keeps old data", _killed("redis"), forgets=True),
        Fault("redis slow to restart", _killed("redis"), slow=True),
        Fault("redis frozen", _frozen("redis")),
        Fault("redis flushed", _flushed),
        Fault("database killed", _killed("couchdb")),
        Fault("database slow to restart", _killed("couchdb"), slow=True),
        Fault("database frozen", _frozen("couchdb")),
        Fault("database remade", _remade),
        Fault("follower killed", _killed("follower", listens=False)),
        Fault("follower slow to restart", _killed("follower", listens=False), slow=True),
        Fault("follower frozen", _frozen("follower")),
        Fault("worker killed", _worker_killed, USUAL),
        Fault("worker frozen", _worker_frozen, USUAL),
        Fault("supervisor killed", _killed("service"), USUAL),
        Fault("supervisor frozen", _frozen("service"), USUAL),
        *(Fault(f"{link} {trouble}", _linked(link, trouble)) for link in LINKS for trouble in _NET),
        *(Fault(f"follower-couchdb {trouble}", _linked("follower-couchdb", trouble)) for trouble in _LYING),
        *(Fault(f"{link} drop for long", _linked(link, Trouble.DROP), slow=True) for link in LINKS),
    )
}
