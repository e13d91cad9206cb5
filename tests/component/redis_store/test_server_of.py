"""The identity of the Redis that answers, as far as it may be asked."""

from typing import Any
from urllib.parse import urlsplit

from router.embedded import EmbeddedRedis
from router.redis_store.client import connect, server_id


def test_another_process_is_another_server(client: Any) -> None:
    assert server_id(client) == server_id(client) != ""
    with EmbeddedRedis() as other:
        assert server_id(connect(other.url, timeout=2)) not in {"", server_id(client)}


def test_server_id_without_permission_is_empty(client: Any, redis_url: str) -> None:
    client.execute_command("ACL", "SETUSER", "narrow", "on", ">secret", "~*", "+@all", "-info")
    try:
        port = urlsplit(redis_url).port
        assert server_id(connect(f"redis://narrow:secret@127.0.0.1:{port}/0", timeout=2)) == ""
    finally:
        client.execute_command("ACL", "DELUSER", "narrow")
