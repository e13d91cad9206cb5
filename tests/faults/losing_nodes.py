"""A cluster's nodes die, freeze, leave and come back; its shards are split, its copies lag, conflicts are resolved."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from router.couch.errors import CouchError
from router.numbers.shards import shard_for
from tests.faults import rewriting
from tests.faults.deployment import NUMBERS
from tests.faults.filling import SHARDS, filler_numbers
from tests.faults.harness import Harness, meanwhile
from tests.faults.nodes import Nodes

REPLICATED = 5.0
"""Seconds until a change is at the follower's copy, where replication between nodes has to bring it."""
LEFT_WITHIN = 2.5
"""Seconds until nothing of ours asks a node that is cut off: until then its side and the other one may be answered."""
LAG = 1.0
"""Seconds by which an imitated node's copies lag."""
_AWAY = (1.0, 2.0)
_BETWEEN = (0.3, 1.0)
_STANDS = (0.02, 0.4)
"""Seconds that a conflict stands before it is resolved."""
_FILLERS = 20
"""Numbers of a shard that are in conflict at a time, beside those that callers ask for."""


@contextmanager
def killed(harness: Harness) -> Iterator[None]:
    """One node is killed and started again."""
    with _one(harness) as (nodes, node):
        nodes.kill(node)
        yield
        nodes.revive(node)


@contextmanager
def frozen(harness: Harness) -> Iterator[None]:
    """The other nodes take it for alive, and wait for it wherever a sequence names its copies."""
    with _one(harness) as (nodes, node):
        nodes.freeze(node)
        yield
        nodes.thaw(node)
        nodes.wait_up(node)


@contextmanager
def in_maintenance(harness: Harness) -> Iterator[None]:
    """A node says so at `/_up`; its copies are not used."""
    with _one(harness) as (nodes, node):
        nodes.maintain(node, on=True)
        yield
        nodes.maintain(node, on=False)


@contextmanager
def isolated(harness: Harness) -> Iterator[None]:
    """A node hears no other, and answers clients; what some of them write there is unknown to the others."""
    with _one(harness) as (nodes, node):
        began = time.monotonic()
        nodes.isolate(node)
        cut_off = time.monotonic()
        with meanwhile(lambda over: _write_at(harness, node, over)):
            yield
        nodes.join(node)
        nodes.wait_up(node)
    harness.writers.ledger.divide(began, cut_off + LEFT_WITHIN, REPLICATED)


def _write_at(harness: Harness, node: int, over: threading.Event) -> None:
    """Change owners at one node alone, as a client does that is left with it."""
    couch, writers = _nodes(harness).each[node], harness.writers
    while not over.wait(harness.chance.uniform(*_BETWEEN)):
        number = harness.chance.choice(NUMBERS)
        path = [str(shard_for(number)), number]
        with suppress(CouchError):
            document = couch.request("GET", path)
            claim = writers.ledger.claim(number, writers.next_account(), contested=True)
            couch.request("PUT", path, {**document, "pvt_assigned_to": claim.account})


@contextmanager
def in_turn(harness: Harness) -> Iterator[None]:
    """Every node is killed once; the next one when the one before is back."""
    nodes, chance = _nodes(harness), harness.chance

    def kill_each(over: threading.Event) -> None:
        for node in chance.sample(range(len(nodes.hosts)), len(nodes.hosts)):
            nodes.kill(node)
            over.wait(chance.uniform(*_AWAY))
            nodes.revive(node)
            over.wait(chance.uniform(*_BETWEEN))

    with meanwhile(kill_each):
        yield


@contextmanager
def split(harness: Harness) -> Iterator[None]:
    """The shards of a number database and of `accounts` are split under load."""
    nodes = _nodes(harness)
    names = (harness.chance.choice(SHARDS), "accounts")
    for name in names:
        nodes.split(name)
    yield
    for name in names:
        nodes.await_split(name)


@contextmanager
def copies_lag(harness: Harness) -> Iterator[None]:
    """The copies of one node get every write late."""
    with _one(harness) as (nodes, node), nodes.lagging(node, LAG):
        yield


@contextmanager
def conflicts_resolved(harness: Harness) -> Iterator[None]:
    """Conflicts are made and their winners deleted, over and over: each number goes to whom the loser names."""
    rounds = (_resolve_one, _resolve_fillers) if harness.deployment.documents else (_resolve_one,)

    def go_on(over: threading.Event) -> None:
        while not over.is_set():
            for act in rounds:
                with suppress(CouchError):
                    act(harness)

    with meanwhile(go_on):
        yield


def _resolve_one(harness: Harness) -> None:
    """One number that callers ask for; its owner changes as usual while the conflict stands."""
    number = harness.chance.choice(NUMBERS)
    turn = harness.writers.turns[NUMBERS.index(number) % len(harness.writers.turns)]
    with turn:
        loser = rewriting.conflict(harness, number, digit=harness.chance.choice("0f"))
    time.sleep(harness.chance.uniform(*_STANDS))
    with turn:
        rewriting.resolve(harness, number, loser)


def _resolve_fillers(harness: Harness) -> None:
    """Numbers that nobody asks for: the audit sees where they end."""
    shard = harness.chance.choice(SHARDS)
    numbers = harness.chance.sample(filler_numbers(shard, harness.deployment.documents), _FILLERS)
    databases = harness.deployment.databases
    current = [dict(each) for each in databases.database(shard).get_many(numbers).values() if each is not None]
    siblings = [rewriting.sibling(harness, each, digit="f") for each in current]
    databases.client.request("POST", [shard, "_bulk_docs"], {"docs": siblings, "new_edits": False})
    time.sleep(harness.chance.uniform(*_STANDS))
    winners = [{"_id": each["_id"], "_rev": each["_rev"], "_deleted": True} for each in siblings]
    databases.database(shard).put_many(winners)


def _nodes(harness: Harness) -> Nodes:
    assert harness.deployment.cluster is not None
    return harness.deployment.cluster


@contextmanager
def _one(harness: Harness) -> Iterator[tuple[Nodes, int]]:
    """Choose a node to which nothing is being done."""
    nodes = _nodes(harness)
    node = harness.chance.choice([each for each in range(len(nodes.hosts)) if each not in nodes.hurt])
    nodes.hurt.add(node)
    try:
        yield nodes, node
    finally:
        nodes.hurt.discard(node)
