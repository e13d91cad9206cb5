"""The database of a number."""

import pytest

from router.numbers import gregorian, shards


def test_cut_is_by_bytes() -> None:
    assert shards.shard_for("+1é") is None  # four bytes
    assert shards.shard_for("+12é9") == "numbers/+12é"
    assert shards.shard_for("\ud800" * 5) is not None  # a lone surrogate must not raise


@pytest.mark.parametrize("name", ["numbers/+1415", "numbers/12345", "port_requests", "account/aa/bb/cc"])
def test_legal(name: str) -> None:
    assert shards.is_legal(name)


@pytest.mark.parametrize("name", ["", "numbers/*9812", "Numbers/+1415", "_users", "numbers/+1 41", "numbers/+1415\n"])
def test_illegal(name: str) -> None:
    assert not shards.is_legal(name)


def test_encoding_is_undone() -> None:
    name = "numbers/+1415"
    assert shards.encoded(name) == "numbers%2F%2B1415"
    assert shards.decoded(shards.encoded(name)) == name
    assert shards.decoded("numbers%2f%2b1415") == name
    assert shards.decoded(name) == name


def test_gregorian_seconds() -> None:
    assert gregorian.from_unix(1710278674) == 63877497874  # 2024-03-12T21:24:34Z
    assert gregorian.to_unix(62167219200) == 0
