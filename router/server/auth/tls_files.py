"""The service's certificate, key and client CA, reread from their files when those change.

A connection keeps the certificate that it started with; a new one gets the current files. Files that don't match each
other leave the previous ones in use.
"""

import logging
import ssl
import threading
from dataclasses import dataclass
from pathlib import Path

import grpc

from router.runtime.file_watcher import FileWatcher
from router.settings import Settings, SettingsError

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PemBundle:
    """The content of the files at one time.

    Attributes:
        certificate, key, roots: PEM; roots are the CAs of client certificates, None where none are required.
        context: for the admin address, which requires no client certificates.
    """

    certificate: bytes
    key: bytes
    roots: bytes | None
    context: ssl.SSLContext

    @property
    def configuration(self) -> grpc.ServerCertificateConfiguration:
        """The configuration of a grpcio server."""
        return grpc.ssl_server_certificate_configuration([(self.key, self.certificate)], root_certificates=self.roots)


class Certificates:
    """The certificate of the gRPC service and the admin address, and the CAs of client certificates.

    Raises:
        SettingsError: a file can't be used.
    """

    def __init__(self, certificate: Path, key: Path, client_ca: Path | None) -> None:
        self._certificate, self._key, self._client_ca = certificate, key, client_ca
        self._files = FileWatcher([each for each in (certificate, key, client_ca) if each is not None])
        self._lock = threading.Lock()
        try:
            self._pems = self._read()
        except ValueError as problem:
            raise SettingsError(str(problem)) from None

    @property
    def context(self) -> ssl.SSLContext:
        """The context for a new connection to the admin address."""
        return self._current().context

    def pems(self) -> PemBundle:
        """Return the last files that matched each other; the same object until they change."""
        return self._current()

    def credentials(self) -> grpc.ServerCredentials:
        """Return credentials for one gRPC server, which fetches them again at every handshake."""
        fetched = self._current()

        def fetch() -> grpc.ServerCertificateConfiguration | None:
            nonlocal fetched
            found = self._current()
            if found is fetched:
                return None  # unchanged
            fetched = found
            return found.configuration

        return grpc.dynamic_ssl_server_credentials(
            fetched.configuration,
            fetch,  # type: ignore[arg-type]  # the stubs don't know that None means unchanged
            require_client_authentication=self._client_ca is not None,
        )

    def _current(self) -> PemBundle:
        with self._lock:
            if self._files.changed():
                self._reload()
            return self._pems

    def _reload(self) -> None:
        try:
            self._pems = self._read()
        except ValueError as problem:
            log.error("certificates not reloaded, the previous ones stay in use: error=%s", problem)
        else:
            log.info("certificates reloaded for new connections: file=%s", self._certificate)

    def _read(self) -> PemBundle:
        """Read and check the files.

        Raises:
            ValueError: the files can't be used.
        """
        before = self._files.signature()
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        key, certificate = (_bytes(path, f"tls_{name}") for path, name in self._own())
        try:
            context.load_cert_chain(self._certificate, self._key, password="")  # an encrypted key is refused
        except (ssl.SSLError, OSError, ValueError) as problem:
            raise ValueError(
                f"settings 'tls_certificate' and 'tls_key': {self._certificate} and {self._key} are not a PEM "
                f"certificate and its key without a password ({_reason(problem)})"
            ) from None
        roots = self._roots()
        if self._files.signature() != before:
            raise ValueError("the files of 'tls_certificate' are being replaced")
        return PemBundle(certificate, key, roots, context)

    def _own(self) -> tuple[tuple[Path, str], ...]:
        return (self._key, "key"), (self._certificate, "certificate")

    def _roots(self) -> bytes | None:
        if self._client_ca is None:
            return None
        roots = _bytes(self._client_ca, "tls_client_ca")
        try:
            ssl.create_default_context(cafile=self._client_ca)
        except (ssl.SSLError, OSError, ValueError) as problem:
            raise ValueError(
                f"setting 'tls_client_ca': {self._client_ca} has no PEM certificates ({_reason(problem)})"
            ) from None
        return roots


def open_certificates(settings: Settings) -> Certificates | None:
    """Return the certificates that the settings name; None where TLS is off.

    Raises:
        SettingsError: a file can't be used.
    """
    if settings.tls.certificate is None or settings.tls.key is None:
        return None
    return Certificates(settings.tls.certificate, settings.tls.key, settings.tls.client_ca)


def _bytes(path: Path, setting: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as problem:
        raise ValueError(f"setting '{setting}': {path}: {problem.strerror}") from None


def _reason(problem: Exception) -> str:
    return str(getattr(problem, "reason", None) or problem)
