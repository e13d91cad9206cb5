"""Reading the URL of a lookup over HTTP."""

from router.server.api.http import app
from router.v1 import inbound_pb2 as pb


def test_url_asked_twice_is_read_once() -> None:
    first = app._read_url("/v1/lookup/+14158867900", b"dial_plan=office")
    again = app._read_url("/v1/lookup/+14158867900", b"dial_plan=office")

    request = pb.LookupRequest.FromString(first[0])
    assert (request.number, request.dial_plan) == ("+14158867900", "office")
    assert again is first


def test_url_longer_than_a_number_needs_is_not_kept() -> None:
    first = app._read_url("/v1/lookup/" + "1" * 60_000, b"")
    again = app._read_url("/v1/lookup/" + "1" * 60_000, b"")

    assert pb.LookupRequest.FromString(first[0]).number == "1" * 60_000
    assert again is not first
