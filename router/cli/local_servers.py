"""Ports on loopback, and a Redis started for a command."""

import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from router.cli.options import Exit, fail
from router.embedded.redis import EmbeddedRedis, RedisStartError


def check_ports_free(ports: Mapping[str, int]) -> None:
    """Exit with a message if a port on 127.0.0.1 is in use.

    Args:
        ports: by the option that chooses each; 0: a free one.
    """
    with ExitStack() as held:
        for option, port in ports.items():
            probe = held.enter_context(socket.socket())
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
                probe.listen()
            except OSError as problem:
                fail(
                    f"can't listen on 127.0.0.1:{port} ({problem.strerror}): stop what listens there, "
                    f"or choose another port with {option} (0: a free one)",
                    Exit.UNREACHABLE,
                )


@contextmanager
def embedded_redis(port: int = 0, directory: Path | None = None) -> Iterator[EmbeddedRedis]:
    """Run a Redis during the block; exit with a message if none can be started.

    Args:
        port: TCP port; 0: a free one.
        directory: for the data; None: nothing is kept.
    """
    redis = EmbeddedRedis(port, directory)
    try:
        redis.start()
    except RedisStartError as problem:
        fail(" ".join(str(problem).splitlines()), Exit.UNREACHABLE)
    try:
        yield redis
    finally:
        redis.stop()
