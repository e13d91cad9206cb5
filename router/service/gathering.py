"""The admin pages of all workers as one."""

import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping

import orjson
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from router.service.admin import JSON, TEXT, AdminServer

_TIME_LIMIT = 2.0

Ports = Callable[[], Mapping[str, int]]
"""Workers' admin ports by name; those that are in service."""


class GatheredPages:
    """Asks every worker and answers for all."""

    def __init__(self, address: str, ports: Ports) -> None:
        self._ports = ports
        self._host = address.rpartition(":")[0]
        self._server = AdminServer(
            address,
            {
                "/healthz": lambda: (200, TEXT, b"alive\n"),
                "/readyz": self._ready,
                "/state": self._state,
                "/metrics": self._metrics,
            },
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

    def _ready(self) -> tuple[int, str, bytes]:
        """Ready when any worker is: the port is answered."""
        said = {name: _fetch(port, "/readyz") for name, port in self._ports().items()}
        ready = any(code == 200 for code, _ in said.values())  # noqa: PLR2004 - HTTP's OK
        lines = [f"{name}: {body.decode().strip()}" for name, (_, body) in sorted(said.items())]
        return 200 if ready else 503, TEXT, ("\n".join(lines) or "no worker is in service").encode() + b"\n"

    def _state(self) -> tuple[int, str, bytes]:
        workers = {name: orjson.loads(body or b"null") for name, body in self._bodies("/state").items()}
        return 200, JSON, orjson.dumps({"workers": workers}, option=orjson.OPT_INDENT_2)

    def _metrics(self) -> tuple[int, str, bytes]:
        registry = CollectorRegistry()
        registry.register(_Gathered(self._bodies("/metrics")))
        return 200, TEXT, generate_latest(registry)

    def _bodies(self, path: str) -> dict[str, bytes]:
        return {name: _fetch(port, path)[1] for name, port in self._ports().items()}


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


def _fetch(port: int, path: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=_TIME_LIMIT) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as refusal:
        return refusal.code, refusal.read()
    except OSError as problem:
        return 503, str(problem).encode()
