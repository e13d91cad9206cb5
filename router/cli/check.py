"""The command `did-router check`."""

from collections.abc import Iterator, Mapping
from typing import Any

import click
import redis

from router.cli.check_couchdb import couchdb_findings
from router.cli.check_security import host_names, security_findings
from router.cli.finding import Finding
from router.cli.options import Exit, redis_message, settings_options
from router.couch.errors import CouchError
from router.manager.carriers.registry import CarrierRegistry
from router.manager.features.registry import FeatureRegistry
from router.numbers.fields import shown
from router.numbers.kazoo_databases import NUMBER_MANAGER, SYSTEM_CONFIG
from router.numbers.rules import Rules
from router.numbers.states import State
from router.redis_store import follower_status
from router.redis_store.subscription import subscribers
from router.server.edge.choice import choose_transport
from router.settings import Settings, SettingsError
from router.settings.rules import build_rules
from router.settings.urls import without_password
from router.stores.clients import Stores


@click.command()
@click.option("--offline", is_flag=True, help="Judge the settings alone: nothing is connected to, no name is resolved.")
@settings_options
def check(settings: Settings, *, offline: bool) -> None:
    """Check the settings, the plug-ins and every store; print each fault with its remedy.

    Exits with 1 if something is wrong, with 3 if a store can't be reached.

    \b
      did-router check --config router.toml             before a start
      did-router check --offline --config router.toml   where the stores can't be reached, such as in CI
    """  # noqa: D301
    stores = Stores(settings)
    cluster_settings = None if offline else _cluster_settings(stores)
    rules, problems = _rules(settings, cluster_settings)
    findings = [
        Finding("settings", "can be used"),
        *([] if offline and host_names(settings) else [_transport(settings)]),
        *security_findings(settings, resolve=not offline),
        *_states(settings),
        *problems,
        *_plugins(settings, stores, rules),
    ]
    if not offline:
        findings += [*couchdb_findings(settings, stores), *_redis(settings, stores)]
    for finding in findings:
        click.echo(f"{'ok ' if finding.ok else 'BAD'}  {finding.subject}: {finding.message}")
    if not all(finding.reachable for finding in findings):
        raise SystemExit(Exit.UNREACHABLE)
    if not all(finding.ok for finding in findings):
        raise SystemExit(Exit.REFUSED)


def _transport(settings: Settings) -> Finding:
    try:
        choice = choose_transport(settings)
    except SettingsError as problem:
        return Finding("transport", str(problem), ok=False)
    message = f"{choice.transport} on {settings.server.listen}"
    if choice.envoy is not None:
        message += f", Envoy {choice.envoy}"
    return Finding("transport", f"{message}; {choice.note}" if choice.note else message)


def _states(settings: Settings) -> Iterator[Finding]:
    """Yield a finding per unknown state: calls to numbers in the intended state would be refused."""
    for name in sorted(set(settings.routing.routable_states) - set(State)):
        yield Finding("routable_states", f"{name!r} is no state of KAZOO: use {', '.join(State)}", ok=False)


def _rules(settings: Settings, document: Mapping[str, Any] | None) -> tuple[Rules, list[Finding]]:
    """Return the rules in force, and a finding for each unusable value of the cluster's configuration."""
    section, subject = (document or {}).get("default"), "system_config"
    findings = []
    if section is not None and not isinstance(section, Mapping):
        message = f"number_manager.default is {shown(section)}: it must be an object (until then it is left out)"
        findings.append(Finding(subject, message, ok=False))
        section = None
    try:
        made = build_rules(settings, section)
    except ValueError as problem:
        findings.append(Finding(subject, f"number_manager can't be used and is left out: {problem}", ok=False))
        return build_rules(settings, None), findings
    findings += [Finding(subject, f"{each} (until then its default is used)", ok=False) for each in made.warnings]
    return made, findings


def _plugins(settings: Settings, stores: Stores, rules: Rules) -> Iterator[Finding]:
    carriers, features = CarrierRegistry(settings, stores.databases), FeatureRegistry(settings)
    yield Finding("carriers", ", ".join(carriers.names()))
    yield Finding("feature providers", ", ".join(features.names()))
    for broken in carriers.broken:
        yield Finding("carrier", str(broken), ok=False)
    for broken in features.broken:
        yield Finding("feature provider", str(broken), ok=False)
    for line in features.missing(rules.config):
        yield Finding("feature provider", line, ok=False)


def _cluster_settings(stores: Stores) -> Mapping[str, Any] | None:
    """Return the document number_manager of system_config; None: unreadable, which another finding reports."""
    try:
        return stores.databases.database(SYSTEM_CONFIG).get(NUMBER_MANAGER)
    except CouchError:
        return None


def _redis(settings: Settings, stores: Stores) -> Iterator[Finding]:
    where = f"Redis {without_password(settings.redis.url)}"
    try:
        stores.redis.ping()
        status = follower_status.read(stores.redis, stores.keys)
        memory = stores.redis.info("memory")
    except (redis.RedisError, OSError) as problem:
        yield Finding(where, redis_message(problem), ok=False, reachable=False)
        return
    yield Finding(where, f"answers, {memory.get('used_memory_human', '?')} used")
    policy = str(memory.get("maxmemory_policy", "noeviction"))
    if policy != "noeviction" and memory.get("maxmemory"):
        yield Finding(
            "maxmemory-policy",
            f"is {policy}: evicted numbers cost a database read each; set noeviction and enough maxmemory",
            ok=False,
        )
    if status is None or status.age > settings.cache.stale_after:
        yield _without_follower(stores)
    else:
        yield Finding(
            "follower",
            f"{status.leader} is {status.phase}: {status.complete} of {status.databases} databases, "
            f"{status.lag} s behind",
        )


def _without_follower(stores: Stores) -> Finding:
    """Return a finding that is a fault only if a service runs: nothing keeps its cache up to date."""
    start = "start did-router follow, or serve --with-follower"
    try:
        workers = subscribers(stores.redis, stores.keys.changes)
    except (redis.RedisError, OSError):
        return Finding("follower", f"none is running: {start}", ok=False)
    if workers:
        return Finding("follower", f"none is running, and {workers} workers answer without one: {start}", ok=False)
    return Finding("follower", f"not running yet, and no service on this Redis either: {start}")
