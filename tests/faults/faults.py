"""Faults by name, and what docs/architecture.md promises during each.

A fault begins, lasts for some seconds, and is over: what was killed is started again as a service manager would do it,
what was frozen goes on, what was cut may connect. From there on nobody lends a hand.
"""

import contextlib
import signal
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any

from router.numbers.shards import shard_for
from tests.faults import failing_over, losing_nodes, restarting, rewriting, spoiling
from tests.faults.deployment import NUMBERS, STALE_AFTER
from tests.faults.filling import SHARDS
from tests.faults.forms import CLUSTER, SENTINEL, SINGLE
from tests.faults.harness import Harness
from tests.faults.ledger import NOBODY
from tests.faults.lies import ABOUT_UPDATES, Lie
from tests.faults.links import Trouble
from tests.faults.nodes import FREEZE, ISOLATE, KILL, LAG, MAINTENANCE, SPLIT
from tests.faults.programs import Program
from tests.faults.restarting import send

USUAL = 3.0
"""A change in a database at rest is promised within about a second; the rest is for a busy machine."""
FROZEN = STALE_AFTER + 2.0
"""A change while a node of a cluster is frozen, as docs/architecture.md has it."""
UNSEEN = STALE_AFTER + USUAL
"""A change that the follower can't see or pass on: answers are marked stale after `stale_after`."""


Begin = Callable[[Harness], AbstractContextManager[None]]


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to fail.

    Attributes:
        during: begins it when entered, and ends it when left.
        quiet: seconds for which answers may go on being old without being flagged.
        forgets: Redis comes back with less than it acknowledged, so this holds for the number manager's changes too.
        leaves_gaps: single entries vanish; only a lookup of the number fills the gap (docs/redis-keys.md).
        slow: it lasts longer.
        settings: what the deployment has to be set to, so that the fault shows.
        form: of Redis, where it has to be one.
        clocks: wall clocks have to be such as can be set.
        on_nodes: CouchDB has to have several nodes.
        action: what has to be possible there.
        keeps_account: what the cache says of an owner is not lost, so that the follower knows whose copies to mend.
    """

    name: str
    during: Begin
    quiet: float = UNSEEN
    forgets: bool = False
    leaves_gaps: bool = False
    slow: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)
    form: str | None = None
    clocks: bool = False
    on_nodes: bool = False
    action: str | None = None
    keeps_account: bool = False

    @property
    def needs_own_database(self) -> bool:
        """Return whether it lays hands on the process of a database that has one."""
        return self.victim == "database" and self.during is not _remade

    @property
    def rewrites(self) -> bool:
        """Return whether it rewrites the history of a database or a document, other than a cluster's conflicts."""
        return self.victim in {"database", "document", "conflict"}

    def suits(self, actions: Collection[str]) -> bool:
        """Return whether it can be had on a cluster to which these things can be done."""
        return not self.needs_own_database and (self.action is None or self.action in actions)

    @property
    def needs(self) -> str | None:
        """The form of Redis that it needs; None where any will do."""
        on_redis = self.victim in {"redis", "service-redis", "follower-redis", "near"}
        return self.form or (SINGLE if on_redis else None)

    @property
    def victim(self) -> str:
        """Return what can't suffer from another fault at the same time: a dead process can't be frozen."""
        first = self.name.partition(" ")[0]
        if first in {"worker", "supervisor"}:
            return "service"
        return "node" if self.name.startswith("every node") else first


def _killed(which: str, *, listens: bool = True) -> Begin:
    @contextmanager
    def during(harness: Harness) -> Iterator[None]:
        program: Program = getattr(harness.deployment, which)
        program.kill()
        yield
        program.start()
        if listens:
            program.wait_listening()

    return during


def _frozen(which: str) -> Begin:
    @contextmanager
    def during(harness: Harness) -> Iterator[None]:
        program: Program = getattr(harness.deployment, which)
        program.freeze()
        yield
        program.thaw()

    return during


@contextmanager
def _worker_killed(harness: Harness) -> Iterator[None]:
    """The supervisor starts another."""
    send(harness.chance.choice(harness.deployment.service.workers()), signal.SIGKILL)
    yield


@contextmanager
def _worker_frozen(harness: Harness) -> Iterator[None]:
    worker = harness.chance.choice(harness.deployment.service.workers())
    send(worker, signal.SIGSTOP)
    yield
    send(worker, signal.SIGCONT)


def _clock_jumps(who: str, seconds: int) -> Begin:
    """Set, and at the end set right again: that is a jump, too."""

    @contextmanager
    def during(harness: Harness) -> Iterator[None]:
        harness.deployment.clocks[who].set(seconds)
        yield
        harness.deployment.clocks[who].set(0)

    return during


def _linked(link: str, trouble: Trouble | Lie) -> Begin:
    @contextmanager
    def during(harness: Harness) -> Iterator[None]:
        harness.deployment.links[link].suffer(trouble)
        yield
        harness.deployment.links[link].heal()

    return during


@contextmanager
def _flushed(harness: Harness) -> Iterator[None]:
    with harness.deployment.client() as client:
        client.flushall()
    yield


@contextmanager
def _remade(harness: Harness) -> Iterator[None]:
    """A database goes, and one of the same name has other owners, of a lower generation."""
    shard = harness.chance.choice(SHARDS)
    numbers = [number for number in NUMBERS if shard_for(number) == shard]
    databases, ledger = harness.deployment.databases, harness.writers.ledger
    with contextlib.ExitStack() as stack:
        for turn in harness.writers.turns:
            stack.enter_context(turn)
        deleted = [ledger.claim(number, NOBODY) for number in numbers]
        databases.database(shard).drop()
        for claim in deleted:
            ledger.acknowledge(claim, harness.writers.quiet)
        databases.database(shard).create()
        for number in numbers:
            harness.writers.write_by_hand(number)
    yield


LINKS = ("service-redis", "service-couchdb", "follower-redis", "follower-couchdb")
CALLERS_LINK = "caller-service"
_NET = (Trouble.REFUSE, Trouble.CUT, Trouble.DELAY, Trouble.DRIP, Trouble.HALF_OPEN, Trouble.DROP)
_BROKEN = (Trouble.GARBAGE, Trouble.ERROR, Trouble.TOO_MANY_REQUESTS, Trouble.MID_LINE)
_SWEEP = 3.0
_HOUR = 3600
_WITHOUT_OWN_FEEDS: Mapping[str, Any] = {"follower_max_feeds": 0}
"""Else databases that change often tell of it themselves, whatever the feed of updates says."""
_OFTEN_SWEPT: Mapping[str, Any] = {**_WITHOUT_OWN_FEEDS, "follower_reconcile_interval": _SWEEP}
"""Without a feed of its own nothing makes up for a lost event."""


def _lied(lie: Lie) -> Fault:
    settings = _OFTEN_SWEPT if lie is Lie.LOSES else _WITHOUT_OWN_FEEDS if lie in ABOUT_UPDATES else {}
    quiet = UNSEEN + 2 * _SWEEP if lie is Lie.LOSES else UNSEEN
    return Fault(f"follower-couchdb {lie}", _linked("follower-couchdb", lie), quiet, settings=settings)


def _of_nodes(name: str, during: Begin, action: str | None, quiet: float) -> Fault:
    return Fault(name, during, quiet, slow=True, on_nodes=True, action=action)


CATALOGUE: dict[str, Fault] = {  # new ones at its end: a seed keeps its fault
    fault.name: fault
    for fault in (
        Fault("redis killed", _killed("redis")),
        Fault("redis killed, keeps old data", _killed("redis"), forgets=True),
        Fault("redis slow to restart", _killed("redis"), slow=True),
        Fault("redis frozen", _frozen("redis"), keeps_account=True),
        Fault("redis flushed", _flushed),
        Fault("database killed", _killed("couchdb"), keeps_account=True),
        Fault("database slow to restart", _killed("couchdb"), slow=True, keeps_account=True),
        Fault("database frozen", _frozen("couchdb"), keeps_account=True),
        Fault("database remade", _remade),
        Fault("follower killed", _killed("follower", listens=False), keeps_account=True),
        Fault("follower slow to restart", _killed("follower", listens=False), slow=True, keeps_account=True),
        Fault("follower frozen", _frozen("follower"), keeps_account=True),
        Fault("worker killed", _worker_killed, USUAL, keeps_account=True),
        Fault("worker frozen", _worker_frozen, USUAL, keeps_account=True),
        Fault("supervisor killed", _killed("service"), USUAL, keeps_account=True),
        Fault("supervisor frozen", _frozen("service"), USUAL, keeps_account=True),
        *(Fault(f"{link} {trouble}", _linked(link, trouble), keeps_account=True) for link in LINKS for trouble in _NET),
        *(Fault(f"follower-couchdb {trouble}", _linked("follower-couchdb", trouble)) for trouble in _BROKEN),
        *(Fault(f"{link} drop for long", _linked(link, Trouble.DROP), slow=True) for link in LINKS),
        *map(_lied, Lie),
        Fault("document purged", rewriting.purged),
        Fault("conflict wins and is resolved", rewriting.conflict_wins),
        Fault("conflict loses and comes up", rewriting.conflict_loses),
        *(
            Fault(f"clock of the {who} an hour {way}", _clock_jumps(who, seconds), clocks=True)
            for who in ("service", "follower")
            for way, seconds in (("ahead", _HOUR), ("back", -_HOUR))
        ),
        Fault("redis evicts", spoiling.evicts, leaves_gaps=True),
        Fault("redis loses keys", spoiling.loses_keys, leaves_gaps=True),
        Fault("redis is full", spoiling.is_full),
        Fault("redis takes no writes", spoiling.takes_no_writes),
        Fault("redis is spoilt", spoiling.is_spoilt),
        Fault("near caches' connections die", spoiling.near_connections_die, USUAL),
        Fault("sentinel master killed", failing_over.master_killed, forgets=True, slow=True, form=SENTINEL),
        Fault("sentinel master frozen", failing_over.master_frozen, forgets=True, slow=True, form=SENTINEL),
        Fault("sentinel failover asked for", failing_over.asked_for, forgets=True, slow=True, form=SENTINEL),
        Fault("sentinel killed, then a failover", failing_over.without_one, forgets=True, slow=True, form=SENTINEL),
        Fault("cluster slots move", failing_over.slots_move, slow=True, form=CLUSTER),
        Fault("cluster node killed", failing_over.node_killed, form=CLUSTER),
        Fault("worker slow to restart", restarting.worker_slow, USUAL, slow=True, keeps_account=True),
        Fault("supervisor slow to restart", restarting.supervisor_slow, USUAL, slow=True, keeps_account=True),
        *(
            Fault(f"{CALLERS_LINK} {trouble}", _linked(CALLERS_LINK, trouble), USUAL, keeps_account=True)
            for trouble in (*_NET, Trouble.FORGET)
        ),
        _of_nodes("node killed", losing_nodes.killed, KILL, losing_nodes.REPLICATED),
        _of_nodes("node frozen", losing_nodes.frozen, FREEZE, FROZEN),
        _of_nodes("node in maintenance mode", losing_nodes.in_maintenance, MAINTENANCE, losing_nodes.REPLICATED),
        _of_nodes("node isolated", losing_nodes.isolated, ISOLATE, losing_nodes.REPLICATED),
        _of_nodes("shard split", losing_nodes.split, SPLIT, USUAL),
        _of_nodes("copies lag", losing_nodes.copies_lag, LAG, losing_nodes.LAG + USUAL),
        _of_nodes("conflicts resolved under load", losing_nodes.conflicts_resolved, None, USUAL),
        _of_nodes("every node killed in turn", losing_nodes.in_turn, KILL, losing_nodes.REPLICATED),
    )
}
