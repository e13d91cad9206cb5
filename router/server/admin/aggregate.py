"""Aggregates the admin pages of all workers."""

import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from concurrent import futures
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from http.client import HTTPException
from typing import Protocol
from urllib.parse import quote

import orjson
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from router.runtime.addresses import parse_address
from router.server.admin.pages import JSON, TEXT, AdminServer
from router.server.auth.authorizer import Authorizer
from router.server.auth.tls_files import Certificates

_DEADLINE = 2.0
"""Seconds for all workers together. Prometheus waits 10 s for a page, and so gets the others' part while one hangs."""

AdminPorts = Callable[[], Mapping[str, int]]
"""Returns the workers' admin ports by name; 0 for a worker that is not in service."""

Response = tuple[int, bytes]
"""An HTTP status and a body."""

_TIMED_OUT: Response = (HTTPStatus.SERVICE_UNAVAILABLE, f"no answer within {_DEADLINE:.0f} s".encode())
_NOT_IN_SERVICE: Response = (HTTPStatus.SERVICE_UNAVAILABLE, b"not in service")


class Edge(Protocol):
    """The edge in front of the workers."""

    @property
    def problem(self) -> str:
        """Reason why callers can't reach the workers; empty when they can."""

    def metrics(self) -> bytes:
        """Return the edge's metrics in Prometheus' text format."""


class AggregatedPages:
    """Fetches each page from all workers in parallel, and serves the aggregate."""

    def __init__(
        self,
        address: str,
        ports: AdminPorts,
        authorizer: Authorizer | None = None,
        certificates: Certificates | None = None,
        edge: Edge | None = None,
    ) -> None:
        self._edge = edge
        self._ports = ports
        self._listen = parse_address(address)
        self._server = AdminServer(
            address,
            {
                "/healthz": lambda _: (200, TEXT, b"alive\n"),
                "/readyz": self._ready,
                "/state": self._state,
                "/metrics": self._metrics,
            },
            authorizer,
            certificates,
            {"/near_cache/": self._near_caches},
        )

    @property
    def address(self) -> str:
        """The bound host:port."""
        return str(self._listen._replace(port=self._server.port))

    def start(self) -> None:
        """Listen; raises OSError when the address can't be listened on."""
        self._server.start()

    def stop(self) -> None:
        """Stop listening."""
        self._server.stop()

    def _ready(self, authorization: str | None) -> tuple[int, str, bytes]:
        """Return ready when any worker is: calls to the port are then answered."""
        responses = self._fetch_all("/readyz", authorization)
        ready = any(code == HTTPStatus.OK for code, _ in responses.values())
        lines = [f"{name}: {body.decode().strip()}" for name, (_, body) in sorted(responses.items())]
        problem = "" if self._edge is None else self._edge.problem
        if problem:
            return 503, TEXT, f"edge: {problem}\n".encode()
        return 200 if ready else 503, TEXT, ("\n".join(lines) or "no worker is in service").encode() + b"\n"

    def _state(self, authorization: str | None) -> tuple[int, str, bytes]:
        workers = {name: orjson.loads(body or b"null") for name, body in self._bodies("/state", authorization).items()}
        return 200, JSON, orjson.dumps({"workers": workers}, option=orjson.OPT_INDENT_2)

    def _near_caches(self, authorization: str | None, argument: str) -> tuple[int, str, bytes]:
        """Return what each worker's near cache holds for a number; null for a worker that did not respond."""
        bodies = self._bodies(f"/near_cache/{quote(argument)}", authorization)
        workers = {name: orjson.loads(body or b"null") for name, body in bodies.items()}
        return 200, JSON, orjson.dumps({"workers": workers}, option=orjson.OPT_INDENT_2)

    def _metrics(self, authorization: str | None) -> tuple[int, str, bytes]:
        registry = CollectorRegistry()
        registry.register(_WorkerMetrics(self._bodies("/metrics", authorization)))
        return 200, TEXT, generate_latest(registry) + (b"" if self._edge is None else self._edge.metrics())

    def _bodies(self, path: str, authorization: str | None) -> dict[str, bytes]:
        """Fetch a page; empty for a worker that did not return it."""
        responses = self._fetch_all(path, authorization)
        return {name: body if code == HTTPStatus.OK else b"" for name, (code, body) in responses.items()}

    def _fetch_all(self, path: str, authorization: str | None) -> dict[str, Response]:
        """Fetch a page from all workers in parallel; a worker that exceeds the deadline counts as failed.

        Workers check authorization too, so each receives the caller's.
        """
        ports = self._ports()
        pool = ThreadPoolExecutor(max(1, len(ports)), thread_name_prefix="admin-of-worker")
        requests = {name: pool.submit(_fetch, port, path, authorization) for name, port in ports.items() if port}
        in_time, _ = futures.wait(requests.values(), _DEADLINE)
        pool.shutdown(wait=False)
        responses = {name: each.result() if each in in_time else _TIMED_OUT for name, each in requests.items()}
        return {name: responses.get(name, _NOT_IN_SERVICE) for name in ports}


class _WorkerMetrics(Collector):
    """The workers' metrics, each sample labelled with its worker, and a gauge of the workers that responded.

    Args:
        texts: expositions by the workers' names; empty for a worker that did not respond.
    """

    def __init__(self, texts: Mapping[str, bytes]) -> None:
        self._texts = texts

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics of all workers that responded."""
        up = GaugeMetricFamily(
            "did_router_worker_up", "1 for a worker that responded for this page in time", labels=["worker"]
        )
        for name, text in self._texts.items():
            up.add_metric([name], float(bool(text)))
        yield up
        families: dict[str, Metric] = {}
        for name, text in self._texts.items():
            for family in text_string_to_metric_families(text.decode()):
                family_of_all = families.setdefault(family.name, Metric(family.name, family.documentation, family.type))
                for sample in family.samples:
                    family_of_all.add_sample(sample.name, {**sample.labels, "worker": name}, sample.value)
        yield from families.values()


def _fetch(port: int, path: str, authorization: str | None) -> Response:
    headers = {"Authorization": authorization} if authorization else {}
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=_DEADLINE + 1.0) as response:  # noqa: S310 - http
            return response.status, response.read()
    except urllib.error.HTTPError as refusal:
        return refusal.code, refusal.read()
    except (OSError, HTTPException) as problem:  # the latter for a worker that exits during its response
        return 503, str(problem).encode()
