"""The demo's lookups: one for each source of an answer and for each outcome."""

import time
from dataclasses import dataclass

from router.cli import sample_numbers
from router.cli.client import LookupResult, of_result
from router.cli.demo.seed import SHARD
from router.client import Client
from router.couch.server import CouchServer

DEADLINE = 2.0
"""Seconds."""


@dataclass(frozen=True, slots=True)
class Scene:
    """One lookup.

    Attributes:
        title: shown to people.
        number: as dialled.
        authoritative: bypass the caches.
        seconds: the call's deadline.
        new_owner: account that the number is created for just before the lookup; None: nothing is created.
    """

    title: str
    number: str
    authoritative: bool = False
    seconds: float = DEADLINE
    new_owner: str | None = None


@dataclass(frozen=True, slots=True)
class SceneResult:
    """A lookup's result, and its duration in milliseconds."""

    scene: Scene
    result: LookupResult
    milliseconds: float


SCENES = (
    Scene("a SIP user part", "4158867900"),
    Scene("a SIP URI", "sip:+14158867900@carrier.example;transport=udp"),
    Scene("written by a person", "+1 (415) 886-7900"),
    Scene("past the caches", "+14158867900", authoritative=True),
    # Created so shortly before that the lookup is faster than any feed, and reads the database.
    Scene("not in the cache yet", "+14158867999", new_owner=list(sample_numbers.ACCOUNTS)[4]),
    Scene("reserved numbers route", "+14158867901"),
    Scene("being ported in", "+14158867902"),
    Scene("only a port request", "+14158867903"),
    Scene("an emergency number", "911"),
    Scene("nobody's number", "+14158860000"),
    Scene("aging after release", "+14158867904"),
    Scene("no account yet", "+14158867905"),
    Scene("a disabled account", "+14158867906"),
    # Negative, because gRPC's clock is coarse: a call with a deadline of 0 may still be answered.
    Scene("no time left", "+14158860001", authoritative=True, seconds=-1.0),
)
"""With all stores available."""

OUTAGE_SCENES = (
    Scene("the database is down", "+14158867900"),
    Scene("down, and not in any cache", "+14158860002"),
)
"""While CouchDB is stopped."""


def run_scene(scene: Scene, client: Client, databases: CouchServer) -> SceneResult:
    """Send a scene's lookup, after the write that it needs."""
    if scene.new_owner is not None:
        document = {"_id": scene.number, "pvt_number_state": "in_service", "pvt_assigned_to": scene.new_owner}
        databases.database(SHARD).put(document)
    began = time.monotonic()
    result = client.lookup(scene.number, authoritative=scene.authoritative, deadline=scene.seconds)
    return SceneResult(scene, of_result(result), (time.monotonic() - began) * 1000)
