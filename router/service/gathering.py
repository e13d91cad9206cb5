"""The admin pages of all workers as one."""

import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from typing import Protocol

import orjson
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from router.service.admin import JSON, TEXT, AdminServer
from router.service.certificates import Certificates
from router.service.guard import Guard

_TIME_LIMIT = 2.0

Ports = Callable[[], Mapping[str, int]]
"""Workers' admin ports by name; those that are in service."""


class Edge(Protocol):
    """What stands before the workers."""

    @property
    def problem(self) -> str:
        """Why callers can't be served though workers could; empty when they can."""

    def metrics(self) -> bytes:
        """Its own figures, in Prometheus' text format."""


class GatheredPages:
    """Asks every worker and answers for all."""

    def __init__(
        self,
        address: str,
        ports: Ports,
        guard: Guard | None = None,
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
            guard,
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
        """Ready when any worker is: the port is answered."""
        said = {name: _fetch(port, "/readyz", authorization) for name, port in self._ports().items()}
        ready = any(code == HTTPStatus.OK for code, _ in said.values())
        problem = "" if self._edge is None else self._edge.problem
        if problem:
            return 503, TEXT, f"edge: {problem}\n".encode()
        lines = [f"{name}: {body.decode().strip()}" for name, (_, body) in sorted(said.items())]
        return 200 if ready else 503, TEXT, ("\n".join(lines) or "no worker is in service").encode() + b"\n"

    def _state(self, authorization: str | None) -> tuple[int, str, bytes]:
        workers = {name: orjson.loads(body or b"null") for name, body in self._bodies("/state", authorization).items()}
        return 200, JSON, orjson.dumps({"workers": workers}, option=orjson.OPT_INDENT_2)

    def _metrics(self, authorization: str | None) -> tuple[int, str, bytes]:
        registry = CollectorRegistry()
        registry.register(_Gathered(self._bodies("/metrics", authorization)))
        return 200, TEXT, generate_latest(registry) + (b"" if self._edge is None else self._edge.metrics())

    def _bodies(self, path: str, authorization: str | None) -> dict[str, bytes]:
        """Workers judge callers too, so each is shown what this one was shown."""
        said = {name: _fetch(port, path, authorization) for name, port in self._ports().items()}
        return {name: body if code == HTTPStatus.OK else b"" for name, (code, body) in said.items()}


class _Gathered(Collector):
    """The workers' metrics, each sample labelled with its worker."""

    def __init__(self, texts: Mapping[str, bytes]) -> None:
        self._texts = texts

    def collect(self) -> Iterator[Metric]:
        """Everything that the workers told."""
        families: dict[str, Metric] = {}
        for name, text in self._texts.items():
            for family in text_string_to_metric_families(text.decode()):
                into = families.setdefault(family.name, Metric(family.name, family.documentation, family.type))
                for sample in family.samples:
                    into.add_sample(sample.name, {**sample.labels, "worker": name}, sample.value)
        yield from families.values()


def _fetch(port: int, path: str, authorization: str | None) -> tuple[int, bytes]:
    headers = {"Authorization": authorization} if authorization else {}
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=_TIME_LIMIT) as answer:  # noqa: S310 - http
            return answer.status, answer.read()
    except urllib.error.HTTPError as refusal:
        return refusal.code, refusal.read()
    except OSError as problem:
        return 503, str(problem).encode()
