"""host:port, as settings write it."""

import pytest

from router.runtime.addresses import Address, parse_address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:50051", Address("127.0.0.1", 50051)),
        ("localhost:0", Address("localhost", 0)),
        ("[::1]:65535", Address("::1", 65535)),
        ("::1:80", Address("::1", 80)),
    ],
)
def test_good_address_is_read(text: str, address: Address) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize(
    ("text", "address"),
    [("redis-1", Address("redis-1", 26379)), ("[::1]", Address("::1", 26379)), ("[::1]:80", Address("::1", 80))],
)
def test_address_without_a_port_gets_the_default_one(text: str, address: Address) -> None:
    assert parse_address(text, default_port=26379) == address


@pytest.mark.parametrize("text", ["", "h:", "h:port"])
def test_address_with_a_bad_port_gets_no_default_one(text: str) -> None:
    with pytest.raises(ValueError, match="host:port"):
        parse_address(text, default_port=26379)


@pytest.mark.parametrize("text", ["", "50051", "127.0.0.1", "127.0.0.1:", ":50051", "h:port", "h:65536", "h:-1", "h:²"])
def test_bad_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="host:port"):
        parse_address(text)


@pytest.mark.parametrize("text", ["127.0.0.1:50051", "[::1]:1", "name.example:443"])
def test_address_is_written_as_it_was_read(text: str) -> None:
    assert str(parse_address(text)) == text
