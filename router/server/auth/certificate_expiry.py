"""Reads until when certificates are valid, from the DER in PEM files (RFC 5280 4.1)."""

import re
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime

_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_VERSION, _UTC_TIME = 0xA0, 0x17
_LONG_LENGTH = 0x80
_BEFORE_VALIDITY = 3
"""Serial number, signature algorithm and issuer stand before the validity."""


def earliest_expiry(pem: bytes) -> float | None:
    """Return when the first of these certificates expires, in Unix seconds; None where none can be read."""
    times = []
    for text in _CERTIFICATE.findall(pem.decode("latin-1")):
        try:
            times.append(_not_after(ssl.PEM_cert_to_DER_cert(text)))
        except (ValueError, IndexError):
            continue
    return min(times, default=None)


def _not_after(der: bytes) -> float:
    """Return a certificate's `notAfter`.

    Raises:
        ValueError, IndexError: it is no certificate.
    """
    [(_, certificate)] = _elements(der)
    [(_, to_be_signed), *_] = _elements(certificate)
    fields = [content for tag, content in _elements(to_be_signed) if tag != _VERSION]
    _, (tag, time) = _elements(fields[_BEFORE_VALIDITY])
    text = time.decode("ascii")
    if tag == _UTC_TIME:  # two digits of the year, from 1950 on
        text = ("19" if text >= "5" else "20") + text
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC).timestamp()


def _elements(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield tag and content of each DER element."""
    position = 0
    while position < len(content):
        tag, length = content[position], content[position + 1]
        position += 2
        if length >= _LONG_LENGTH:
            size = length - _LONG_LENGTH
            length = int.from_bytes(content[position : position + size], "big")
            position += size
        yield tag, content[position : position + length]
        position += length
