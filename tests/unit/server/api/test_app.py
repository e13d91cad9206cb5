"""Reading the URL of a lookup over HTTP."""

import pytest

from router.server.api.http import app
from router.v1 import inbound_pb2 as pb


@pytest.fixture(autouse=True)
def _empty_cache() -> None:
    app._read_url_cached.cache_clear()


def test_url_asked_twice_is_read_once() -> None:
    first = app._asked("/v1/lookup/+14158867900", b"dial_plan=office")
    again = app._asked("/v1/lookup/+14158867900", b"dial_plan=office")

    request = pb.LookupRequest.FromString(first[0])
    assert (request.number, request.dial_plan) == ("+14158867900", "office")
    assert again is first


def test_url_longer_than_a_number_needs_is_not_kept() -> None:
    request, _ = app._asked("/v1/lookup/" + "1" * 60_000, b"")

    assert pb.LookupRequest.FromString(request).number == "1" * 60_000
    assert app._read_url_cached.cache_info().currsize == 0
