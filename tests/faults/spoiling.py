"""A Redis that loses, refuses and garbles: what is under our keys is gone, full, of another type, or cut short."""

import contextlib
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import redis

from tests.faults.harness import Harness, meanwhile

_INTERVAL = 0.15
"""Seconds between two blows."""
_PREFIX = "did-router:"
_OTHER_TYPE = 0.3
"""The share of spoilt values that become of another type."""
_MUCH = 32
"""Keys of ballast, a hundred kilobytes each, that push ours out."""


@contextmanager
def evicts(harness: Harness) -> Iterator[None]:
    """Memory is short and Redis throws out what it likes: entries, checkpoints, the lease."""

    def crowd(client: Any) -> None:
        used = int(client.info("memory")["used_memory"])
        client.config_set("maxmemory", used + 1_500_000)
        client.config_set("maxmemory-policy", "allkeys-random")
        for index in range(_MUCH):
            client.set(f"ballast:{index}", b"x" * 100_000)

    with _while_blown(harness, crowd):
        yield
    with harness.deployment.client() as client:
        client.config_set("maxmemory", 0)
        client.config_set("maxmemory-policy", "noeviction")
        client.delete(*(f"ballast:{index}" for index in range(_MUCH)))


@contextmanager
def loses_keys(harness: Harness) -> Iterator[None]:
    """A few of our keys vanish every moment, whichever they are, as by eviction at its worst."""

    def lose(client: Any) -> None:
        keys = list(client.scan_iter(match=f"{_PREFIX}*"))
        client.delete(*harness.chance.sample(keys, min(len(keys), 3)))

    with _while_blown(harness, lose):
        yield


@contextmanager
def is_full(harness: Harness) -> Iterator[None]:
    """No memory for writes: each is refused, while reads go on."""
    with harness.deployment.client() as client:
        client.config_set("maxmemory", 1)
        yield
        client.config_set("maxmemory", 0)


@contextmanager
def takes_no_writes(harness: Harness) -> Iterator[None]:
    """A failover has made a replica of it, and whoever is connected stays so."""
    with harness.deployment.client() as client:
        client.replicaof("127.0.0.1", "1")
        yield
        client.replicaof("NO", "ONE")


@contextmanager
def is_spoilt(harness: Harness) -> Iterator[None]:
    """Values are cut short, garbled, or of another type."""

    def spoil(client: Any) -> None:
        keys = sorted(client.scan_iter(match=f"{_PREFIX}*"))
        for key in harness.chance.sample(keys, min(len(keys), 3)):
            _spoil(client, key, harness.chance)

    with _while_blown(harness, spoil):
        yield


@contextmanager
def near_connections_die(harness: Harness) -> Iterator[None]:
    """The connections on which near caches listen are killed, and no others, at any moment of their lives."""

    def kill(client: Any) -> None:
        for each in client.client_list():
            if "t" in each["flags"] or "P" in each["flags"]:
                client.client_kill_filter(_id=each["id"])

    with _while_blown(harness, kill, every=0.4):
        yield


def _spoil(client: Any, key: bytes, chance: random.Random) -> None:
    kind = client.type(key)
    if chance.random() < _OTHER_TYPE:
        client.delete(key)
        others = (lambda: client.rpush(key, "a"), lambda: client.hset(key, "a", "b"), lambda: client.set(key, "x"))
        chance.choice(others)()
    elif kind == b"string":
        value = client.get(key) or b""
        cut = chance.randrange(len(value) + 1)
        corrupt = value[:cut] + chance.randbytes(4) + value[cut + 4 :]
        client.set(key, chance.choice((value[:cut], corrupt, chance.randbytes(60))))
    elif kind == b"hash":
        fields = sorted(client.hkeys(key))
        client.hset(key, chance.choice(fields), chance.randbytes(12))
    elif kind == b"set":
        client.srem(key, *client.srandmember(key, 2))


@contextmanager
def _while_blown(harness: Harness, blow: Callable[[Any], None], every: float = _INTERVAL) -> Iterator[None]:
    """Deal blows until left."""

    def go_on(over: threading.Event) -> None:
        with harness.deployment.client() as client:
            while True:
                with contextlib.suppress(redis.RedisError, OSError):  # another fault at the same time
                    blow(client)
                if over.wait(every * (0.5 + harness.chance.random())):
                    return

    with meanwhile(go_on):
        yield
