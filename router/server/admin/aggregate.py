"""The admin pages of all workers as one."""

import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from concurrent import futures
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from http.client import HTTPException
from typing import Protocol

import orjson
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from router.server.admin.pages import JSON, TEXT, AdminServer
from router.server.auth.authorizer import Authorizer
from router.server.auth.tls_files import Certificates

_DEADLINE = 2.0
"""Seconds for all workers together: Prometheus waits for a page for 10 s, and gets the others' part while one hangs."""

Ports = Callable[[], Mapping[str, int]]
"""Workers' admin ports by name; 0 for a worker that is not in service."""

Answer = tuple[int, bytes]
"""An HTTP status and a body."""

_NO_ANSWER: Answer = (HTTPStatus.SERVICE_UNAVAILABLE, f"no answer within {_DEADLINE:.0f} s".encode())
_NOT_IN_SERVICE: Answer = (HTTPStatus.SERVICE_UNAVAILABLE, b"not in service")


class Edge(Protocol):
    """What stands before the workers."""

    @property
    def problem(self) -> str:
        """Why callers can't be served though workers could; empty when they can."""

    def metrics(self) -> bytes:
        """Its own figures, in Prometheus' text format."""


class AggregatedPages:
    """Asks every worker at the same time and answers for all."""

    def __init__(
        self,
        address: str,
        ports: Ports,
        authorizer: Authorizer | None = None,
        certificates: Certificates | None = None,
        edge: Edge | None = None,
    ) -> None:
        self._edge = edge
        self._ports = ports
        self._host = address.rpartition(":")[0]
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
        )

    @property
    def address(self) -> str:
        """host:port that was bound."""
        return f"{self._host}:{self._server.port}"

    def start(self) -> None:
        """Listen; OSError when the address can't be had."""
        self._server.start()

    def stop(self) -> None:
        """Stop listening."""
        self._server.stop()

    def _ready(self, authorization: str | None) -> tuple[int, str, bytes]:
        """Report ready when any worker is: then calls to the port are answered."""
        answers = self._ask("/readyz", authorization)
        ready = any(code == HTTPStatus.OK for code, _ in answers.values())
        lines = [f"{name}: {body.decode().strip()}" for name, (_, body) in sorted(answers.items())]
        problem = "" if self._edge is None else self._edge.problem
        if problem:
            return 503, TEXT, f"edge: {problem}\n".encode()
        return 200 if ready else 503, TEXT, ("\n".join(lines) or "no worker is in service").encode() + b"\n"

    def _state(self, authorization: str | None) -> tuple[int, str, bytes]:
        workers = {name: orjson.loads(body or b"null") for name, body in self._bodies("/state", authorization).items()}
        return 200, JSON, orjson.dumps({"workers": workers}, option=orjson.OPT_INDENT_2)

    def _metrics(self, authorization: str | None) -> tuple[int, str, bytes]:
        registry = CollectorRegistry()
        registry.register(_WorkerMetrics(self._bodies("/metrics", authorization)))
        return 200, TEXT, generate_latest(registry) + (b"" if self._edge is None else self._edge.metrics())

    def _bodies(self, path: str, authorization: str | None) -> dict[str, bytes]:
        """Ask for a page; empty for a worker that did not answer with it."""
        answers = self._ask(path, authorization)
        return {name: body if code == HTTPStatus.OK else b"" for name, (code, body) in answers.items()}

    def _ask(self, path: str, authorization: str | None) -> dict[str, Answer]:
        """Ask all workers side by side; a worker that exceeds the deadline counts as unanswered.

        Workers check authorization too, so each receives the caller's.
        """
        ports = self._ports()
        pool = ThreadPoolExecutor(max(1, len(ports)), thread_name_prefix="admin-of-worker")
        asked = {name: pool.submit(_fetch, port, path, authorization) for name, port in ports.items() if port}
        in_time, _ = futures.wait(asked.values(), _DEADLINE)
        pool.shutdown(wait=False)
        answers = {name: each.result() if each in in_time else _NO_ANSWER for name, each in asked.items()}
        return {name: answers.get(name, _NOT_IN_SERVICE) for name in ports}


class _WorkerMetrics(Collector):
    """The workers' metrics, each sample labelled with its worker, and which of the workers answered.

    Args:
        texts: expositions by the workers' names; empty where a worker did not answer.
    """

    def __init__(self, texts: Mapping[str, bytes]) -> None:
        self._texts = texts

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics of all workers that answered."""
        up = GaugeMetricFamily(
            "did_router_worker_up", "whether the worker answered for this page in time", labels=["worker"]
        )
        for name, text in self._texts.items():
            up.add_metric([name], float(bool(text)))
        yield up
        families: dict[str, Metric] = {}
        for name, text in self._texts.items():
            for family in text_string_to_metric_families(text.decode()):
                into = families.setdefault(family.name, Metric(family.name, family.documentation, family.type))
                for sample in family.samples:
                    into.add_sample(sample.name, {**sample.labels, "worker": name}, sample.value)
        yield from families.values()


def _fetch(port: int, path: str, authorization: str | None) -> Answer:
    headers = {"Authorization": authorization} if authorization else {}
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=_DEADLINE) as answer:  # noqa: S310 - http
            return answer.status, answer.read()
    except urllib.error.HTTPError as refusal:
        return refusal.code, refusal.read()
    except (OSError, HTTPException) as problem:  # the latter where a worker ends in the middle of its answer
        return 503, str(problem).encode()
