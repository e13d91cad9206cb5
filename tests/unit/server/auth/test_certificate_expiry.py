"""Until when certificates are valid."""

from datetime import UTC, datetime, timedelta

import pytest
import trustme

from router.server.auth.certificate_expiry import earliest_expiry

YEARS = [2030, 2049, 2050, 2080]
"""Until 2049 a certificate has two digits of the year, from 2050 on four (RFC 5280 4.1.2.5)."""


def certificate(authority: trustme.CA, year: int) -> bytes:
    until = datetime(year, 3, 4, 5, 6, 7, tzinfo=UTC)
    return authority.issue_cert("did.example.com", not_after=until).cert_chain_pems[0].bytes()


@pytest.mark.parametrize("year", YEARS)
def test_expiry_of_a_certificate_is_read(year: int) -> None:
    assert earliest_expiry(certificate(trustme.CA(), year)) == datetime(year, 3, 4, 5, 6, 7, tzinfo=UTC).timestamp()


def test_first_certificate_to_expire_counts() -> None:
    authority = trustme.CA()
    chain = b"\n".join(certificate(authority, year) for year in (2040, 2031, 2050))

    assert earliest_expiry(chain) == datetime(2031, 3, 4, 5, 6, 7, tzinfo=UTC).timestamp()


@pytest.mark.parametrize("content", ["AAAA", "MAA=", "MAMCAQA="])
def test_expiry_of_no_certificate_is_unknown(content: str) -> None:
    assert earliest_expiry(f"-----BEGIN CERTIFICATE-----\n{content}\n-----END CERTIFICATE-----".encode()) is None


@pytest.mark.parametrize("pem", [b"", b"no certificate"])
def test_expiry_without_a_certificate_is_unknown(pem: bytes) -> None:
    assert earliest_expiry(pem) is None


def test_authority_of_today_expires_later() -> None:
    expiry = earliest_expiry(trustme.CA().cert_pem.bytes())

    assert expiry is not None
    assert expiry > (datetime.now(UTC) + timedelta(days=1)).timestamp()
