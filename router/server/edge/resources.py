"""Writes the files that Envoy rereads while it runs: workers in service, certificates, CAs and the drain pressure."""

import os
from base64 import b64encode
from collections.abc import Iterable, Sequence
from pathlib import Path

import orjson

from router.server.calls.http import http_socket
from router.server.edge.clusters import WORKERS
from router.server.edge.listener import CERTIFICATE, CLIENT_CA
from router.server.edge.plan import TYPES, EdgePlan, Json


def write_endpoints(plan: EdgePlan, sockets: Iterable[Path]) -> None:
    """Route calls to the workers that listen on these Unix sockets, and to no other.

    Raises:
        OSError: the directory can't be written.
    """
    paths = list(sockets)
    _replace(plan.http_endpoints, _resources([_assignment(map(http_socket, paths))]))
    _replace(plan.endpoints, _resources([_assignment(paths)]))


def write_certificate(plan: EdgePlan, certificate: bytes, key: bytes, client_ca: bytes | None) -> None:
    """Set the certificate of new connections, and the CAs of client certificates.

    Args:
        certificate, key, client_ca: PEM. A certificate and its key are in one file, so that Envoy never reads a
            certificate with another one's key.

    Raises:
        OSError: the directory can't be written.
    """
    pair = {"certificate_chain": _inline(certificate), "private_key": _inline(key)}
    _replace(plan.certificate, _resources([_secret(CERTIFICATE, tls_certificate=pair)]))
    if client_ca is not None:
        authorities = _secret(CLIENT_CA, validation_context={"trusted_ca": _inline(client_ca)})
        _replace(plan.client_ca, _resources([authorities]))


def write_draining(plan: EdgePlan, *, draining: bool) -> None:
    """Set whether connections without a call are closed.

    Raises:
        OSError: the directory can't be written.
    """
    _replace(plan.pressure, b"1" if draining else b"0")


def _assignment(paths: Iterable[Path]) -> Json:
    endpoints = [{"endpoint": {"address": {"pipe": {"path": str(path)}}}} for path in paths]
    return {
        "@type": f"{TYPES}config.endpoint.v3.ClusterLoadAssignment",
        "cluster_name": WORKERS,
        "endpoints": [{"lb_endpoints": endpoints}],
    }


def _secret(name: str, **content: Json) -> Json:
    return {"@type": f"{TYPES}extensions.transport_sockets.tls.v3.Secret", "name": name, **content}


def _inline(pem: bytes) -> Json:
    return {"inline_bytes": b64encode(pem).decode("ascii")}


def _resources(resources: Sequence[Json]) -> bytes:
    return orjson.dumps({"resources": list(resources)})


def _replace(path: Path, content: bytes) -> None:
    """Replace the file by a rename: Envoy detects it, and never reads half a file."""
    new = path.with_suffix(".new")
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
    new.replace(path)
