"""TLS of a client, from the PEM files that settings or options name."""

import ssl
from pathlib import Path

from router.settings.errors import SettingsError


def create_context(ca: Path | None, name: str) -> ssl.SSLContext:
    """Return a context that verifies servers' certificates.

    Args:
        ca: PEM file of the authorities; None: the public ones.
        name: of the setting or option, for the error.

    Raises:
        SettingsError: the file can't be read, or has no certificates.
    """
    try:
        return ssl.create_default_context(cafile=ca)
    except (ssl.SSLError, ValueError) as problem:
        raise SettingsError(f"{name} {ca} has no PEM certificates ({ssl_reason(problem)})") from None
    except OSError as problem:
        raise SettingsError(f"{name} {ca}: {problem.strerror}") from None


def add_client_certificate(context: ssl.SSLContext, certificate: Path, key: Path, names: str) -> None:
    """Let a context show a client certificate to servers that ask for one.

    Args:
        names: of the settings or options, for the error.

    Raises:
        SettingsError: a file can't be read, or they don't belong together.
    """
    for each in (certificate, key):
        _check_readable(each, names)  # OpenSSL does not say which file is missing
    try:
        context.load_cert_chain(certificate, key, password="")  # an encrypted key is refused
    except (OSError, ValueError) as problem:  # ssl.SSLError is an OSError
        files = f"{certificate} and {key}"
        raise SettingsError(
            f"{names} {files} are not a PEM certificate and its key without a password ({ssl_reason(problem)})"
        ) from None


def ssl_reason(problem: Exception) -> str:
    """Return the reason of an error of OpenSSL, or of the operating system, without its number."""
    return str(getattr(problem, "reason", None) or getattr(problem, "strerror", None) or problem)


def _check_readable(path: Path, names: str) -> None:
    try:
        path.open("rb").close()
    except (OSError, ValueError) as problem:  # ValueError: a null character
        raise SettingsError(f"{names} {path}: {ssl_reason(problem)}") from None
