"""Envoy's configuration: Envoy itself reads it, and only what may be sent twice is retried."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
import trustme

from router.server.edge.configuration import bootstrap
from router.server.edge.plan import EdgePlan
from router.server.edge.process import find_envoy
from router.server.edge.resources import write_certificate, write_draining, write_endpoints
from router.server.edge.routes import _other_than
from router.settings import Settings
from router.v1 import inbound_pb2, numbers_pb2

Plan = Callable[..., EdgePlan]


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    """Makes plans from settings, with a directory that has all the files."""

    def make(**settings: Any) -> EdgePlan:
        made = EdgePlan.from_settings(Settings.load(None, **{"listen": "127.0.0.1:50051", **settings}), tmp_path)
        authority = trustme.CA()
        own = authority.issue_cert("localhost")
        certificate = b"".join(each.bytes() for each in own.cert_chain_pems)
        write_draining(made, draining=False)
        write_endpoints(made, [tmp_path / "worker-0-1.sock"])
        write_certificate(made, certificate, own.private_key_pem.bytes(), authority.cert_pem.bytes())
        return made

    return make


def _validated(plan: EdgePlan) -> str:
    """Return the output of `envoy --mode validate`."""
    envoy = find_envoy()
    assert envoy is not None, "the extra did-router[edge] is part of what make install installs"
    file = plan.directory / "envoy.json"
    file.write_bytes(orjson.dumps(bootstrap(plan)))
    command = [str(envoy), "--mode", "validate", "--config-path", str(file), "--disable-hot-restart"]
    done = subprocess.run([*command, "--log-level", "warn"], capture_output=True, text=True, timeout=30, check=False)
    return done.stdout.strip() + done.stderr.strip()


TLS = {"tls_certificate": "service.pem", "tls_key": "service.key"}


@pytest.mark.parametrize(
    "settings",
    [
        {},
        TLS,
        {**TLS, "tls_client_ca": "clients.pem"},
        {"listen": "[::1]:50051", "max_connection_rate": 0},
        {"max_connections": 1, "max_concurrent_streams": 1, "max_connection_rate": 1, "idle_timeout": 0.25},
        {"max_connection_rate": 1_000_000, "max_queued_calls": 1, "lookup_timeout": 0.001},
    ],
    ids=["plaintext", "TLS", "client certificates", "IPv6", "lowest limits", "highest limits"],
)
def test_envoy_takes_it(plan: Plan, settings: dict[str, Any]) -> None:
    made = plan(**settings)
    assert _validated(made) == f"configuration '{made.directory}/envoy.json' OK"


def test_envoy_refuses_what_it_does_not_know(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the test above would prove nothing."""
    monkeypatch.setattr("router.server.edge.listener.DRAIN_TIMEOUT", -1.0)
    assert "error initializing configuration" in _validated(plan())


def _manager(plan: EdgePlan) -> Any:
    return bootstrap(plan)["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]


def _routes(plan: EdgePlan) -> list[dict[str, Any]]:
    routes: list[dict[str, Any]] = _manager(plan)["route_config"]["virtual_hosts"][0]["routes"]
    return [each for each in routes if "route" in each]


def test_only_reads_are_retried(plan: Plan) -> None:
    retried = [each for each in _routes(plan()) if "retry_policy" in each["route"]]
    grpc, http = ["Lookup", "LookupBatch", "Explain", "Check"], ["lookup", "lookups", "explain", "dialplan"]
    assert [each["stat_prefix"] for each in retried] == [*grpc, *(f"http_{each}" for each in http)]


def test_every_method_has_its_own_figures(plan: Plan) -> None:
    named = {each["match"].get("path", ""): each["stat_prefix"] for each in _routes(plan())}
    for file in (inbound_pb2, numbers_pb2):
        for service in file.DESCRIPTOR.services_by_name.values():
            for method in service.methods:
                assert named[f"/{service.full_name}/{method.name}"] == method.name
    assert {named[f"/grpc.health.v1.Health/{each}"] for each in ("Check", "Watch")} == {"Check", "Watch"}


def test_routes_names_are_one_part_of_a_statistics_name(plan: Plan) -> None:
    """Envoy reads the label up to the next dot."""
    names = [each["stat_prefix"] for each in _routes(plan())]
    assert len(set(names)) == len(names)
    assert not [each for each in names if "." in each]


def test_http_other_than_reads_is_never_retried(plan: Plan) -> None:
    *_, last = _routes(plan())
    assert (last["match"], last["stat_prefix"]) == ({"prefix": "/"}, "http_other")
    assert last["route"] == {"cluster": "http", "timeout": "0s", "idle_timeout": "600s"}


@pytest.mark.parametrize("value", ["gzip", "", "identit", "identity2", "Identity", "idem", "gzip,identity", "xdentity"])
def test_other_than_another_text_matches(value: str) -> None:
    assert re.fullmatch(_other_than("identity"), value)
    assert not re.fullmatch(_other_than("identity"), "identity")


def test_grpc_encoding_reaches_no_worker(plan: Plan) -> None:
    assert _manager(plan())["route_config"]["virtual_hosts"][0]["request_headers_to_remove"] == ["grpc-encoding"]


def test_stream_of_lookups_has_no_timeout(plan: Plan) -> None:
    (stream,) = (each for each in _routes(plan()) if each["match"].get("path", "").endswith("/LookupStream"))
    assert stream["route"] == {"cluster": "exclusive", "timeout": "0s", "idle_timeout": "0s"}


def test_limits_are_the_settings(plan: Plan) -> None:
    made = plan(
        max_connections=7, max_concurrent_streams=8, max_connection_rate=20, idle_timeout=9, max_queued_calls=10
    )
    monitors = bootstrap(made)["overload_manager"]["resource_monitors"]
    assert monitors[0]["typed_config"]["max_active_downstream_connections"] == 7
    manager = _manager(made)
    assert manager["http2_protocol_options"]["max_concurrent_streams"] == 8
    assert manager["common_http_protocol_options"] == {"idle_timeout": "9s"}
    (rate,) = bootstrap(made)["static_resources"]["listeners"][0]["listener_filters"]
    assert rate["typed_config"]["token_bucket"] == {
        "max_tokens": 20,
        "tokens_per_fill": 2,
        "fill_interval": "0.1s",
    }
    for cluster in bootstrap(made)["static_resources"]["clusters"]:
        assert cluster["circuit_breakers"]["thresholds"][0]["max_requests"] == 10


def test_keys_are_readable_by_their_owner_alone(plan: Plan) -> None:
    made = plan(**TLS)
    assert made.certificate.stat().st_mode & 0o777 == 0o600
