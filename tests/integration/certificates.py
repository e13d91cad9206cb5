"""Authorities and the files that they fill."""

from collections.abc import Sequence
from pathlib import Path

import grpc
import trustme

NAMES = ("localhost", "127.0.0.1")


class CertAuthority:
    """Signs a service's and its clients' certificates."""

    def __init__(self) -> None:
        self._ca = trustme.CA()

    @property
    def pem(self) -> bytes:
        """Its own certificate."""
        return self._ca.cert_pem.bytes()

    def issue(self, folder: Path, name: str = "service", hosts: Sequence[str] = NAMES) -> tuple[Path, Path]:
        """A certificate and its key, over whatever these files held."""
        made = self._ca.issue_cert(*hosts, common_name=name)
        certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
        _replace(key, made.private_key_pem.bytes())
        _replace(certificate, b"".join(each.bytes() for each in made.cert_chain_pems))
        return certificate, key

    def write(self, path: Path) -> Path:
        """Its own certificate, in a file."""
        _replace(path, "# Zertifizierungsstelle für Anrufer\n".encode() + self.pem)
        return path

    def channel(self, port: int, client: tuple[Path, Path] | None = None) -> grpc.Channel:
        """A new connection that trusts it; with a client certificate and its key, or none."""
        certificate, key = (None, None) if client is None else (each.read_bytes() for each in client)
        credentials = grpc.ssl_channel_credentials(self.pem, key, certificate)
        # Channels to one address share a connection otherwise, and would not see a new certificate.
        return grpc.secure_channel(f"127.0.0.1:{port}", credentials, [("grpc.use_local_subchannel_pool", 1)])


def _replace(path: Path, content: bytes) -> None:
    fresh = path.with_suffix(".fresh")
    fresh.write_bytes(content)
    fresh.replace(path)
