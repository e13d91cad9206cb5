"""The metrics count what callers saw: thousands of mixed lookups by each way of asking."""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import pytest

from router.server.app import Service
from router.server.calls import native
from tests.integration import mixed_calls
from tests.integration.mixed_calls import CALLERS, MORE_THAN_FIT, Counts, ask_all, counted
from tests.integration.real_stores import ONE, TWO, RealStores
from tests.integration.relay import Relay
from tests.support.waiting import eventually

CALLS = int(os.environ.get("MIXED_CALLS", "3000"))
"""By each way of asking; MIXED_CALLS=10000 takes half a minute of CPU time."""

SETTINGS: dict[str, Any] = {
    **{f"{way}_listen": "127.0.0.1:0" for way in ("http", "sip", "enum")},
    **{f"{way}_timeout": 0.3 for way in ("http", "sip", "enum", "lookup")},
    **{f"{way}_max_request_rate": 0 for way in ("sip", "enum")},
    "enum_refusals": "uri",
    "couchdb_max_pending_reads": 60,
    "couchdb_read_timeout": 30.0,
    "circuit_breaker_failures": 10_000,
}


def write(stores: RealStores) -> None:
    stores.create("numbers/+1999")
    stores.account(ONE)
    stores.account(TWO, enabled=False)
    for number in mixed_calls.HITS:
        stores.number(number)
    stores.number(mixed_calls.OUT_OF_SERVICE, pvt_number_state="available")
    stores.number(mixed_calls.UNASSIGNED, None)
    stores.number(mixed_calls.DISABLED, TWO)


@contextmanager
def running(stores: RealStores, relay: Relay, transport: str) -> Iterator[Service]:
    service = Service(stores.settings(transport=transport, **SETTINGS), with_follower=True)
    service.start()
    try:
        eventually(lambda: service.readiness.state.name == "ready", 30)
        relay.hold(lambda method, target: target.startswith("/numbers/+1999/") and "_changes" not in target)
        yield service
        relay.release()
    finally:
        service.stop()


def page(service: Service) -> str:
    return service.metrics_page().decode()


WAYS: dict[str, tuple[str, str, dict[str, str], Callable[[Service, int], Any]]] = {
    "grpcio": (
        "grpc",
        "grpc_server_call_duration_seconds",
        {"grpc_method": "router.v1.InboundRouter/Lookup"},
        mixed_calls.grpc_callers,
    ),
    "native": (
        "grpc",
        "grpc_server_call_duration_seconds",
        {"grpc_method": "router.v1.InboundRouter/Lookup"},
        mixed_calls.grpc_callers,
    ),
    "http": (
        "http",
        "http_server_request_duration_seconds",
        {"http_route": "/v1/lookup/{number}"},
        mixed_calls.http_callers,
    ),
    "sip": ("sip", "did_router_sip_request_duration_seconds", {}, mixed_calls.sip_callers),
    "enum": ("enum", "did_router_enum_query_duration_seconds", {}, mixed_calls.enum_callers),
}


def _reasons(counts: Counter[str], protocol: str) -> Counter[str]:
    """A DNS response tells all reasons of a failure alike."""
    if protocol != "enum":
        return counts
    merged = Counter(counts)
    for reason in ("NUMBER_DATABASE_UNAVAILABLE", "OVERLOADED", "DEADLINE_EXCEEDED"):
        merged["unavailable"] += merged.pop(reason, 0)
    return +merged


@pytest.mark.timeout(300)
@pytest.mark.parametrize("way", WAYS)
def test_counts_are_what_callers_saw(stores: RealStores, relay: Relay, way: str) -> None:
    if way == "native" and not native.is_installed():
        pytest.skip("pip install 'did-router[native]'")
    protocol, durations, labels, open_callers = WAYS[way]
    write(stores)
    with running(stores, relay, way if protocol == "grpc" else "grpcio") as service:

        def read() -> Counts:
            return counted(page(service), protocol, durations, **labels)

        wanted = mixed_calls.numbers(CALLS, with_text=protocol != "enum")
        had, seen = _compare(open_callers(service, CALLERS), wanted, read, protocol)
        assert seen.p99_bucket in {had.p99_bucket, had.p99_bucket + 1}

        had, _ = _compare(open_callers(service, len(MORE_THAN_FIT)), MORE_THAN_FIT, read, protocol)
        assert had.reasons["OVERLOADED"] > 0


def _compare(opened: Any, wanted: Sequence[str], read: Callable[[], Counts], protocol: str) -> tuple[Counts, Counts]:
    """AskOne for all numbers, and return what the service counted meanwhile and what its callers saw."""
    with opened if hasattr(opened, "__enter__") else nullcontext(opened) as callers:
        before = read()
        seen = ask_all(callers, wanted)
        # A call is counted a moment after its response was sent.
        eventually(lambda: read().since(before).statuses.total() >= len(wanted))
        had = read().since(before)
    assert had.statuses == seen.statuses
    assert _reasons(had.reasons, protocol) == _reasons(seen.reasons, protocol)
    return had, seen
