"""did-router check."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import click
import redis

from router.cache import status
from router.cli.options import Exit, redis_words, settings_options
from router.couch.errors import CouchError
from router.manager.carriers.registry import Carriers
from router.manager.features.registry import Features
from router.numbers.shards import is_shard
from router.service.edge.choice import choose
from router.settings import Settings, SettingsError
from router.store_urls import without_password
from router.stores import Stores


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    what: str
    said: str
    fine: bool = True
    reached: bool = True


@click.command()
@settings_options
def check(settings: Settings) -> None:
    """Read the settings, reach every store, and say what is wrong and what to do."""
    stores = Stores(settings)
    findings = [
        Finding("settings", "can be used"),
        _transport(settings),
        *_plugins(settings, stores),
        *_couch(settings, stores),
        *_redis(settings, stores),
    ]
    for finding in findings:
        click.echo(f"{'ok ' if finding.fine else 'BAD'}  {finding.what}: {finding.said}")
    if not all(finding.reached for finding in findings):
        raise SystemExit(Exit.UNREACHABLE)
    if not all(finding.fine for finding in findings):
        raise SystemExit(Exit.REFUSED)


def _transport(settings: Settings) -> Finding:
    try:
        choice = choose(settings)
    except SettingsError as problem:
        return Finding("transport", str(problem), fine=False)
    said = f"{choice.transport} on {settings.listen}"
    if choice.envoy is not None:
        said += f", Envoy {choice.envoy}"
    return Finding("transport", f"{said}; {choice.note}" if choice.note else said)


def _plugins(settings: Settings, stores: Stores) -> Iterator[Finding]:
    carriers, features = Carriers(settings, stores.databases), Features(settings)
    yield Finding("carriers", ", ".join(carriers.names()))
    yield Finding("feature providers", ", ".join(features.names()))
    for broken in carriers.broken:
        yield Finding("carrier", str(broken), fine=False)
    for broken in features.broken:
        yield Finding("feature provider", str(broken), fine=False)
    for line in features.missing(settings.rules_or_defaults(_cluster_settings(stores)).config):
        yield Finding("feature provider", line, fine=False)


def _cluster_settings(stores: Stores) -> Mapping[str, Any] | None:
    """What system_config says; None where that can't be read, which is told elsewhere."""
    try:
        section = stores.databases.document("system_config", "number_manager").get("default")
    except CouchError:
        return None
    return section if isinstance(section, Mapping) else None


def _couch(settings: Settings, stores: Stores) -> Iterator[Finding]:
    where = f"CouchDB {without_password(settings.couchdb_url)}"
    try:
        version = stores.databases.version()
        names = stores.databases.names()
    except CouchError as problem:
        yield Finding(where, str(problem), fine=False, reached=False)
        return
    shards = sum(is_shard(name) for name in names)
    yield Finding(where, f"version {version}, {shards} number databases")
    if "_global_changes" not in names:
        yield Finding(
            "_global_changes",
            "missing, so changes show only with the follower's sweeps: create that database",
            fine=False,
        )
    if "accounts" not in names:
        yield Finding("accounts", "missing: every account counts as unknown (setting unknown_account)", fine=True)


def _redis(settings: Settings, stores: Stores) -> Iterator[Finding]:
    where = f"Redis {without_password(settings.redis_url)}"
    try:
        stores.redis.ping()
        told = status.read(stores.redis, stores.keys)
        memory = stores.redis.info("memory")
    except (redis.RedisError, OSError) as problem:
        yield Finding(where, redis_words(problem), fine=False, reached=False)
        return
    yield Finding(where, f"answers, {memory.get('used_memory_human', '?')} used")
    policy = str(memory.get("maxmemory_policy", "noeviction"))
    if policy != "noeviction" and memory.get("maxmemory"):
        yield Finding(
            "maxmemory-policy",
            f"is {policy}: evicted numbers cost a database read each; set noeviction and enough maxmemory",
            fine=False,
        )
    if told is None or told.age > settings.stale_after:
        yield Finding("follower", "none is running: start did-router follow, or serve --with-follower", fine=False)
    else:
        yield Finding(
            "follower",
            f"{told.leader} is {told.phase}: {told.complete} of {told.databases} databases, {told.lag} s behind",
        )
