"""The service's own certificate, key and client CA: files that are read again when they change.

A connection keeps what it began with; new ones get what the files say by then. Files that don't fit together leave
the old ones in use.
"""

import logging
import ssl
import threading
from dataclasses import dataclass
from pathlib import Path

import grpc

from router.server.auth.file_watcher import FileWatcher
from router.settings import Settings, SettingsError

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PemBundle:
    """One reading of the files.

    Attributes:
        certificate, key, roots: PEM; roots are the authorities of clients' certificates, None where none are asked for.
        context: for the admin address, which asks for no client certificates.
    """

    certificate: bytes
    key: bytes
    roots: bytes | None
    context: ssl.SSLContext

    @property
    def configuration(self) -> grpc.ServerCertificateConfiguration:
        """For grpcio."""
        return grpc.ssl_server_certificate_configuration([(self.key, self.certificate)], root_certificates=self.roots)


class Certificates:
    """What the gRPC service and the admin address show, and whose client certificates count.

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
        """For one connection to the admin address."""
        return self._current().context

    def pems(self) -> PemBundle:
        """The files as they were last found to fit together; the same object until they change."""
        return self._current()

    def credentials(self) -> grpc.ServerCredentials:
        """For one gRPC server, which asks again at every handshake."""
        handed = self._current()

        def fetch() -> grpc.ServerCertificateConfiguration | None:
            nonlocal handed
            found = self._current()
            if found is handed:
                return None  # as before
            handed = found
            return found.configuration

        return grpc.dynamic_ssl_server_credentials(
            handed.configuration,
            fetch,  # type: ignore[arg-type]  # the stubs don't know that None means "as before"
            require_client_authentication=self._client_ca is not None,
        )

    def _current(self) -> PemBundle:
        with self._lock:
            if self._files.changed():
                self._read_again()
            return self._pems

    def _read_again(self) -> None:
        try:
            self._pems = self._read()
        except ValueError as problem:
            log.error("the certificates stay as they were: %s", problem)
        else:
            log.info("the certificates changed: new connections get those of %s", self._certificate)

    def _read(self) -> PemBundle:
        """Read and check; the key's bytes never leave the process.

        Raises:
            ValueError: they can't be used.
        """
        before = self._files.signature()
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        key, certificate = (_bytes(path, f"tls_{name}") for path, name in self._own())
        try:
            context.load_cert_chain(self._certificate, self._key, password="")  # one with a password is refused
        except (ssl.SSLError, OSError, ValueError) as problem:
            raise ValueError(
                f"settings 'tls_certificate' and 'tls_key': {self._certificate} and {self._key} are not a PEM "
                f"certificate and its key without a password ({_said(problem)})"
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
                f"setting 'tls_client_ca': {self._client_ca} has no PEM certificates ({_said(problem)})"
            ) from None
        return roots


def open_certificates(settings: Settings) -> Certificates | None:
    """What the settings name; None where TLS is off.

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


def _said(problem: Exception) -> str:
    return str(getattr(problem, "reason", None) or problem)
