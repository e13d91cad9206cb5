"""The certificate that visitors get, reread when its files change, and the console's TLS towards the services."""

import logging
import ssl
from pathlib import Path

from router.console.setting_files import read_file
from router.runtime.file_watcher import FileWatcher
from router.settings import SettingsError
from router.settings.client_tls import add_client_certificate, create_context, ssl_reason

log = logging.getLogger(__name__)


class ServedCertificate:
    """The certificate that visitors get; a new connection gets that of the moment.

    Attributes:
        context: for the listener.

    Raises:
        SettingsError: the files can't be used.
    """

    def __init__(self, certificate: Path, key: Path) -> None:
        self._certificate, self._key = certificate, key
        self._files = FileWatcher([certificate, key])
        try:
            self._current = self._load()
            self.context = self._load()
        except (OSError, ValueError) as problem:  # ssl.SSLError is an OSError
            raise SettingsError(
                f"settings 'tls_certificate' and 'tls_key': {certificate} and {key} are not a PEM certificate and its "
                f"key without a password ({ssl_reason(problem)})"
            ) from None
        self.context.sni_callback = self._choose

    def _load(self) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self._certificate, self._key, password="")  # an encrypted key is refused
        return context

    def _choose(self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        """Give a handshake the current certificate; OpenSSL calls this whether or not the visitor names a host."""
        if self._files.changed():
            try:
                self._current = self._load()
            except (OSError, ValueError) as problem:
                log.error("certificate not reloaded, the previous one stays in use: error=%s", ssl_reason(problem))
            else:
                log.info("certificate reloaded for new connections: file=%s", self._certificate)
        connection.context = self._current


def trust_services(ca: Path | None) -> ssl.SSLContext:
    """Return what verifies the services' certificates.

    Args:
        ca: PEM file of their authorities; None: the public ones.

    Raises:
        SettingsError: the file can't be read, or has no certificates.
    """
    return create_context(ca, "setting 'console_ca':")


def present_to_services(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    """Let a context show the console's own certificate to services that ask for one.

    Raises:
        SettingsError: a file can't be read, or they don't belong together.
    """
    read_file(certificate, "console_client_certificate")  # so that the error names one setting
    read_file(key, "console_client_key")
    names = "settings 'console_client_certificate' and 'console_client_key':"
    add_client_certificate(context, certificate, key, names)
