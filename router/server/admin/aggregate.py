"""Aggregates the admin pages of all workers."""

import math
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from concurrent import futures
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from http.client import HTTPException
from typing import Generic, Protocol, TypeVar
from urllib.parse import quote

import orjson
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from router.runtime.addresses import parse_address
from router.server.admin.pages import JSON, TEXT, AdminServer
from router.server.auth.authorizer import Authorizer
from router.server.auth.tls_files import Certificates
from router.server.observation import definitions as names
from router.server.observation.families import family

_DEADLINE = 2.0
"""Seconds for all workers and Envoy together. Prometheus waits 10 s for a page, and so gets the others' part while one
hangs."""

AdminPorts = Callable[[], Mapping[str, int]]
"""Returns the workers' admin ports by name; 0 for a worker that is not in service."""

_T = TypeVar("_T")
_SUPERVISOR = "supervisor"
_STATUS_NAMES = [metric.name for metric in names.FOLLOWER_STATUS]

Response = tuple[int, bytes]
"""An HTTP status and a body."""

_TIMED_OUT: Response = (HTTPStatus.SERVICE_UNAVAILABLE, f"no answer within {_DEADLINE:.0f} s".encode())
_NOT_IN_SERVICE: Response = (HTTPStatus.SERVICE_UNAVAILABLE, b"not in service")


class Edge(Protocol):
    """The edge in front of the workers."""

    def problem(self) -> str:
        """Return why callers can't reach the workers; empty when they can."""

    def metrics(self) -> bytes:
        """Return the edge's metrics in Prometheus' text format."""


class AggregatedPages:
    """Fetches each page from all workers in parallel, and serves the aggregate.

    Args:
        ports: of the workers.
        metrics_ports: of all processes that have metrics; None: of the workers.
        own: metrics of the supervisor itself.
    """

    def __init__(
        self,
        address: str,
        ports: AdminPorts,
        authorizer: Authorizer | None = None,
        certificates: Certificates | None = None,
        edge: Edge | None = None,
        metrics_ports: AdminPorts | None = None,
        own: CollectorRegistry | None = None,
    ) -> None:
        self._own = CollectorRegistry() if own is None else own
        self._metrics_ports = metrics_ports or ports
        self._edge = edge
        self._ports = ports
        self._listen = parse_address(address)
        self._server = AdminServer(
            address,
            {
                "/healthz": lambda _: (200, TEXT, b"alive\n"),
                "/readyz": self._ready,
                "/state": self._state,
                "/recent": self._recent,
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
        edge = _EdgeAnswer(None if self._edge is None else self._edge.problem)
        responses = self._fetch_all("/readyz", authorization, self._ports())
        ready = any(code == HTTPStatus.OK for code, _ in responses.values())
        lines = [f"{name}: {body.decode().strip()}" for name, (_, body) in sorted(responses.items())]
        problem = edge.get("", late=f"Envoy does not answer within {_DEADLINE:.0f} s")
        if problem:
            return 503, TEXT, f"edge: {problem}\n".encode()
        return 200 if ready else 503, TEXT, ("\n".join(lines) or "no worker is in service").encode() + b"\n"

    def _state(self, authorization: str | None) -> tuple[int, str, bytes]:
        workers = {name: orjson.loads(body or b"null") for name, body in self._bodies("/state", authorization).items()}
        return 200, JSON, orjson.dumps({"workers": workers}, option=orjson.OPT_INDENT_2)

    def _recent(self, authorization: str | None) -> tuple[int, str, bytes]:
        """Return the last refused and slow lookups of each worker; null for a worker that did not respond."""
        bodies = self._bodies("/recent", authorization)
        workers = {name: orjson.loads(body or b"null") for name, body in bodies.items()}
        return 200, JSON, orjson.dumps({"workers": workers})

    def _near_caches(self, authorization: str | None, argument: str) -> tuple[int, str, bytes]:
        """Return what each worker's near cache holds for a number; null for a worker that did not respond."""
        bodies = self._bodies(f"/near_cache/{quote(argument)}", authorization)
        workers = {name: orjson.loads(body or b"null") for name, body in bodies.items()}
        return 200, JSON, orjson.dumps({"workers": workers}, option=orjson.OPT_INDENT_2)

    def _metrics(self, authorization: str | None) -> tuple[int, str, bytes]:
        registry = CollectorRegistry()
        edge = _EdgeAnswer(None if self._edge is None else self._edge.metrics)
        texts = self._bodies("/metrics", authorization, self._metrics_ports())
        registry.register(_ProcessMetrics(texts, generate_latest(self._own)))
        return 200, TEXT, generate_latest(registry) + edge.get(b"", late=b"")

    def _bodies(self, path: str, authorization: str | None, ports: Mapping[str, int] | None = None) -> dict[str, bytes]:
        """Fetch a page; empty for a process that did not return it.

        Args:
            ports: of the processes; None: of the workers.
        """
        responses = self._fetch_all(path, authorization, self._ports() if ports is None else ports)
        return {name: body if code == HTTPStatus.OK else b"" for name, (code, body) in responses.items()}

    def _fetch_all(self, path: str, authorization: str | None, ports: Mapping[str, int]) -> dict[str, Response]:
        """Fetch a page from all workers in parallel; a worker that exceeds the deadline counts as failed.

        Workers check authorization too, so each receives the caller's.
        """
        pool = ThreadPoolExecutor(max(1, len(ports)), thread_name_prefix="admin-of-worker")
        requests = {name: pool.submit(_fetch, port, path, authorization) for name, port in ports.items() if port}
        in_time, _ = futures.wait(requests.values(), _DEADLINE)
        pool.shutdown(wait=False)
        responses = {name: each.result() if each in in_time else _TIMED_OUT for name, each in requests.items()}
        return {name: responses.get(name, _NOT_IN_SERVICE) for name in ports}


class _EdgeAnswer(Generic[_T]):
    """Asks the edge while the caller asks the workers, under the one deadline.

    Args:
        ask: None where there is no edge.
    """

    def __init__(self, ask: Callable[[], _T] | None) -> None:
        self._end = time.monotonic() + _DEADLINE
        self._answer: futures.Future[_T] | None = None
        if ask is not None:
            pool = ThreadPoolExecutor(1, thread_name_prefix="admin-of-edge")
            self._answer = pool.submit(ask)
            pool.shutdown(wait=False)

    def get(self, none: _T, *, late: _T) -> _T:
        """Return the answer; `none` where there is no edge, `late` after the deadline."""
        if self._answer is None:
            return none
        try:
            return self._answer.result(max(0.0, self._end - time.monotonic()))
        except TimeoutError:
            return late


class _ProcessMetrics(Collector):
    """The metrics of all processes, each sample labelled with its process, and a gauge of those that responded.

    The follower's status, which every worker reads from Redis, is shown once: as the worker has it that read it last.

    Args:
        texts: expositions by the processes' names; empty for one that did not respond.
        own: exposition of the supervisor.
    """

    def __init__(self, texts: Mapping[str, bytes], own: bytes) -> None:
        self._texts = texts
        self._own = own

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics of all processes that responded."""
        yield family(names.WORKER_UP, {(name,): float(bool(text)) for name, text in self._texts.items()})
        merged: dict[str, Metric] = {}
        statuses: list[dict[str, Metric]] = []
        for name, text in [*self._texts.items(), (_SUPERVISOR, self._own)]:
            found = {each.name: each for each in text_string_to_metric_families(text.decode())}
            statuses.append({key: found.pop(key) for key in _STATUS_NAMES if key in found})
            for each in found.values():
                of_all = merged.setdefault(each.name, Metric(each.name, each.documentation, each.type))
                for sample in each.samples:
                    of_all.add_sample(sample.name, {"worker": name, **sample.labels}, sample.value)
        yield from merged.values()
        yield from min(filter(None, statuses), key=_age, default={}).values()


def _age(status: Mapping[str, Metric]) -> float:
    """Return the age of the follower's status that a worker read."""
    age = status.get(names.FOLLOWER_AGE.name)
    return math.inf if age is None else min((sample.value for sample in age.samples), default=math.inf)


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
