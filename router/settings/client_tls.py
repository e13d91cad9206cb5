"""TLS of a client, from PEM files."""

import ssl
from pathlib import Path


class TlsFileError(ValueError):
    """A file that can't be used; the message names it and the reason."""


def create_context(ca: Path | None) -> ssl.SSLContext:
    """Return a context that verifies servers' certificates.

    Args:
        ca: PEM file of the authorities; None: the public ones.

    Raises:
        TlsFileError: the file can't be read, or has no certificates.
    """
    try:
        return ssl.create_default_context(cafile=ca)
    except (ssl.SSLError, ValueError) as problem:
        raise TlsFileError(f"{ca} has no PEM certificates ({_reason(problem)})") from None
    except OSError as problem:
        raise TlsFileError(f"{ca}: {problem.strerror}") from None


def add_client_certificate(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    """Let a context show a client certificate to servers that ask for one.

    Raises:
        TlsFileError: a file can't be read, or they don't belong together.
    """
    for each in (certificate, key):
        _check_readable(each)  # OpenSSL does not say which file is missing
    try:
        context.load_cert_chain(certificate, key, password="")  # an encrypted key is refused
    except (OSError, ValueError) as problem:  # ssl.SSLError is an OSError
        raise TlsFileError(
            f"{certificate} and {key} are not a PEM certificate and its key without a password ({_reason(problem)})"
        ) from None


def _check_readable(path: Path) -> None:
    try:
        path.open("rb").close()
    except (OSError, ValueError) as problem:  # ValueError: a null character
        raise TlsFileError(f"{path}: {_reason(problem)}") from None


def _reason(problem: Exception) -> str:
    return str(getattr(problem, "reason", None) or getattr(problem, "strerror", None) or problem)
