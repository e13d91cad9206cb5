"""Bounds of names in queries (RFC 1035 3.1), which dnspython holds to when it reads a response."""

import struct

import pytest

from router.server.calls.enum.wire import Rcode, parse


def _query(*labels: int) -> bytes:
    name = b"".join(bytes((length,)) + b"a" * length for length in labels) + b"\0"
    return struct.pack("!6H", 1, 0, 1, 0, 0, 0) + name + struct.pack("!HH", 35, 1)


def test_name_of_255_bytes_is_read() -> None:
    query = parse(_query(63, 63, 63, 61))

    assert query.rcode is Rcode.NOERROR
    assert [len(label) for label in query.labels] == [63, 63, 63, 61]


@pytest.mark.parametrize("labels", [(63, 63, 63, 62), (63, 63, 63, 63), (1,) * 128, (64,)])
def test_longer_name_or_label_is_formerr(labels: tuple[int, ...]) -> None:
    assert parse(_query(*labels)).rcode is Rcode.FORMERR
