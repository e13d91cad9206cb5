"""Variants of Envoy's configuration before the same worker, by turns: what does each of its parts cost?

python -m benchmarks.edge_variants --rounds 6 shipped grpc_stats none
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import orjson

from benchmarks import generator
from benchmarks.arena import Arena, arena
from benchmarks.bar import SMALL
from benchmarks.deployment import COMMAND
from benchmarks.generator import Shape
from benchmarks.processes import Server, cpu_seconds, free_port
from router.server.edge.configuration import bootstrap
from router.server.edge.plan import TYPES, EdgePlan
from router.server.edge.process import environment, find_envoy
from router.server.edge.routes import LOOKUPS
from router.settings import Settings

Json = dict[str, Any]
Change = Callable[[Json], object]
_CALLS = 200_000
_REFERENCE = "shipped"


def _manager(config: Json) -> Json:
    found: Json = config["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
    return found


def _host(config: Json) -> Json:
    found: Json = _manager(config)["route_config"]["virtual_hosts"][0]
    return found


def _router(config: Json) -> Json:
    found: Json = _manager(config)["http_filters"][-1]["typed_config"]
    return found


def _keep(config: Json, *patterns: str) -> None:
    rule = config["stats_config"]["stats_matcher"]["inclusion_list"]["patterns"][0]["safe_regex"]
    rule["regex"] = "|".join((rule["regex"], *(f"({each})" for each in patterns)))


def _none(config: Json) -> None:
    """No figures by method."""
    _router(config)["dynamic_stats"] = False
    for each in _host(config)["routes"]:
        each.pop("stat_prefix", None)


def _grpc_stats(config: Json) -> None:
    """Envoy's filter, which parses each message, in place of the times by route."""
    _none(config)
    methods = {"name": "router.v1.InboundRouter", "method_names": ["Lookup", "LookupBatch", "LookupStream", "Explain"]}
    stats = {
        "@type": f"{TYPES}extensions.filters.http.grpc_stats.v3.FilterConfig",
        "individual_method_stats_allowlist": {"services": [methods]},
        "enable_upstream_stats": True,
    }
    _manager(config)["http_filters"].insert(0, {"name": "envoy.filters.http.grpc_stats", "typed_config": stats})
    _keep(config, r"cluster\.(lookups|exclusive)\.grpc\..*")


def _virtual_cluster(config: Json) -> None:
    _none(config)
    header = {"name": ":path", "string_match": {"exact": "/router.v1.InboundRouter/Lookup"}}
    _host(config)["virtual_clusters"] = [{"name": "Lookup", "headers": [header]}]
    _router(config)["dynamic_stats"] = True
    _keep(config, r"vhost\.router\.vcluster\..*\.upstream_rq_(time|total|200)")


def _stats_log(config: Json) -> None:
    """An access log that counts instead of writing."""
    for each in _host(config)["routes"]:
        each["name"] = each.get("stat_prefix", "refused")
    _none(config)
    stat = {"name": "time", "tags": [{"name": "method", "value_format": "%ROUTE_NAME%"}]}
    log = {
        "@type": f"{TYPES}extensions.access_loggers.stats.v3.Config",
        "stat_prefix": "calls",
        "histograms": [{"stat": stat, "unit": "Milliseconds", "value_format": "%DURATION%"}],
    }
    _manager(config)["access_log"] = [{"name": "envoy.access_loggers.stats", "typed_config": log}]
    _keep(config, r".*calls\.time.*")


def _addresses(config: Json) -> None:
    """Callers' addresses looked at, and passed on."""
    internal = {"cidr_ranges": [{"address_prefix": "255.255.255.255", "prefix_len": 32}]}
    _manager(config).update(use_remote_address=True, internal_address_config=internal)


def _timers(config: Json) -> None:
    """Two timers that each part of a call sets again, in place of one from its start."""
    action = _lookups(config)
    action["timeout"] = action.pop("max_stream_duration")["max_stream_duration"]
    del action["idle_timeout"]


def _no_headers_timeout(config: Json) -> None:
    del _manager(config)["request_headers_timeout"]


def _lookups(config: Json) -> Json:
    wanted = "/router.v1.InboundRouter/Lookup"
    found: Json = next(each for each in _host(config)["routes"] if each["match"].get("path") == wanted)["route"]
    return found


def _no_retries(config: Json) -> None:
    del _lookups(config)["retry_policy"], _lookups(config)["hedge_policy"]


def _no_hedging(config: Json) -> None:
    del _lookups(config)["retry_policy"]["per_try_timeout"], _lookups(config)["hedge_policy"]


def _health_checks(config: Json) -> None:
    """Workers asked every tenth of a second, in place of a second worker for each slow call."""
    _no_hedging(config)
    check = {
        "timeout": "0.2s",
        "interval": "0.1s",
        "unhealthy_threshold": 1,
        "healthy_threshold": 1,
        "grpc_health_check": {},
    }
    found = next(each for each in config["static_resources"]["clusters"] if each["name"] == LOOKUPS)
    found["health_checks"] = [check]
    found["close_connections_on_host_health_failure"] = True


def _random_balance(config: Json) -> None:
    """Connections on the thread that the kernel picks."""
    del config["static_resources"]["listeners"][0]["connection_balance_config"]


def _small_caches(config: Json) -> None:
    """As much memory kept for each CPU as the allocator does by default."""
    del config["memory_allocator_manager"]


def _both(*changes: Change) -> Change:
    def change(config: Json) -> None:
        for each in changes:
            each(config)

    return change


_VARIANTS: dict[str, Change] = {
    _REFERENCE: lambda _config: None,
    "again": lambda _config: None,
    "none": _none,
    "grpc_stats": _grpc_stats,
    "virtual_cluster": _virtual_cluster,
    "stats_log": _stats_log,
    "addresses": _addresses,
    "timers": _timers,
    "no_headers_timeout": _no_headers_timeout,
    "no_retries": _no_retries,
    "no_hedging": _no_hedging,
    "health_checks": _health_checks,
    "before": _both(_grpc_stats, _addresses, _timers),
    "random_balance": _random_balance,
    "small_caches": _small_caches,
    "caches_per_thread": lambda _config: None,
}
_ENVIRONMENTS = {"caches_per_thread": {"GLIBC_TUNABLES": "glibc.pthread.rseq=1"}}
"""Of Envoy's process, beside what `serve` gives it."""


@dataclass(slots=True)
class Measured:
    """A variant's turns.

    Attributes:
        rates: lookups a second; per_cpu: a CPU-second of Envoy and the worker; alone: of Envoy.
    """

    rates: list[float] = field(default_factory=list)
    per_cpu: list[float] = field(default_factory=list)
    alone: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Gateway:
    """An Envoy before the worker: its port, and the processes whose CPU time counts."""

    port: int
    envoy: int
    worker: int

    def spent(self) -> tuple[float, float]:
        """Return CPU-seconds of Envoy alone, and of Envoy and the worker."""
        envoy = cpu_seconds(self.envoy)
        return envoy, envoy + cpu_seconds(self.worker)


@contextmanager
def _gateways(on: Arena, names: Sequence[str], folder: Path, threads: int) -> Iterator[dict[str, Gateway]]:
    """Start `serve` once, and one more Envoy for each variant before the same worker."""
    port, directory = free_port(), folder / "edge"
    files = on.credentials
    given: dict[str, Any] = {
        "listen": f"127.0.0.1:{port}",
        "transport": "edge",
        "edge_directory": str(directory),
        "tls_certificate": str(files.certificate),
        "tls_key": str(files.key),
    }
    more = {"token_file": files.token_file, "stale_after": 1_000_000, "admin_listen": "127.0.0.1:0", "http_listen": ""}
    more |= {"couchdb_url": on.couchdb_url, "redis_url": on.redis_url, "workers": 1}
    command = [COMMAND, "serve", "--log-level", "warning"]
    command += [word for name, value in {**given, **more}.items() for word in ("--set", f"{name}={value}")]
    plan = EdgePlan.from_settings(Settings.load(**given), directory)
    with ExitStack() as stack:
        service = stack.enter_context(Server(command, port))
        found = {}
        for name in names:
            mine = free_port()
            given_to_envoy = environment() | _ENVIRONMENTS.get(name, {})
            envoy = stack.enter_context(Server(_envoy(plan, name, mine, threads), mine, environment=given_to_envoy))
            found[name] = Gateway(mine, envoy.pid, service.pid)
        yield found


def _envoy(plan: EdgePlan, name: str, port: int, threads: int) -> list[str]:
    config = bootstrap(plan)
    config["static_resources"]["listeners"][0]["address"]["socket_address"]["port_value"] = port
    config["admin"]["address"]["pipe"]["path"] = f"{plan.directory}/{name}.admin"
    _VARIANTS[name](config)
    path = plan.directory / f"{name}.json"
    path.write_bytes(orjson.dumps(config))
    options = ["--concurrency", str(threads), "--disable-hot-restart", "--log-level", "error"]
    return [str(find_envoy()), "--config-path", str(path), *options]


def _warm(on: Arena, gateway: Gateway) -> None:
    """Look up every number once, as soon as the worker is in service."""
    requests = on.requests("spread", "e164", on.directory.count)
    shape = Shape(8, 16, 1.0, access=on.credentials.access(tls=True, tokens=True))
    generator.drive(gateway.port, requests, shape, lambda: None, lambda: None)


def _turn(on: Arena, gateway: Gateway, seconds: float, seen: Measured) -> None:
    requests = on.requests("hits", "e164", _CALLS)
    access = on.credentials.access(tls=True, tokens=True)
    shape = Shape(8, 16, seconds, warm=0.4, access=access)
    spent: list[tuple[float, float]] = []
    result = generator.drive(
        gateway.port, requests, shape, lambda: spent.append(gateway.spent()), lambda: spent.append(gateway.spent())
    )
    if set(result.statuses) != {0} or result.lost:
        raise SystemExit(f"not every call was answered: {result}")
    (alone, both), (alone_after, both_after) = spent
    seen.rates.append(result.rate)
    seen.alone.append(result.calls / (alone_after - alone))
    seen.per_cpu.append(result.calls / (both_after - both))


def _show(seen: dict[str, Measured]) -> None:
    base = next(iter(seen.values()))
    print(f"{'variant':18}{'lookups/s':>11}{'':>7}{'per CPU-s':>11}{'':>7}{'Envoy alone':>13}")
    for name, each in seen.items():
        cells = []
        for mine, reference in ((each.rates, base.rates), (each.per_cpu, base.per_cpu), (each.alone, base.alone)):
            cells += [f"{median(mine):11,.0f}", f"{median(mine) / median(reference):7.2f}"]
        print(f"{name:18}{''.join(cells)}")


def main() -> None:
    """Run it."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("variants", nargs="+", choices=sorted(_VARIANTS), metavar="VARIANT", help=", ".join(_VARIANTS))
    options.add_argument("--rounds", type=int, default=6, help="by turns (%(default)s)")
    options.add_argument("--seconds", type=float, default=2, help="of each turn (%(default)s)")
    options.add_argument("--threads", type=int, default=1, help="of each Envoy (%(default)s)")
    given = options.parse_args()
    generator.build()
    seen = {name: Measured() for name in given.variants}
    with arena(SMALL) as on, _gateways(on, given.variants, on.folder, given.threads) as gateways:
        for gateway in gateways.values():
            _warm(on, gateway)
        for number in range(given.rounds):
            for name in given.variants if number % 2 else given.variants[::-1]:
                _turn(on, gateways[name], given.seconds, seen[name])
    _show(seen)


if __name__ == "__main__":
    main()
