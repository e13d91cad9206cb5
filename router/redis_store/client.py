"""Redis clients by URL: standalone, Sentinel and Cluster.

redis://[user:password@]host:port/db     rediss://…     unix:///path/to/socket?db=0
redis+sentinel://[user:password@]host:26379,host:26379/service/db
redis+cluster://[user:password@]host:port
"""

import functools
import threading
from collections.abc import Callable, Sequence
from typing import Any, cast
from urllib.parse import unquote, urlsplit

import redis
from redis.backoff import NoBackoff
from redis.cluster import RedisCluster
from redis.credentials import UsernamePasswordCredentialProvider
from redis.exceptions import RedisClusterException
from redis.retry import Retry
from redis.sentinel import Sentinel, SentinelConnectionPool

from router.redis_store.commands import RedisClient
from router.settings.urls import sentinel_addresses

RedisUnavailableError = redis.RedisError
"""Any error of Redis, for the layers above."""


def is_error_reply(problem: Exception) -> bool:
    """Return whether Redis answered with an error: memory full, a replica, no permission. That opens no breaker."""
    return isinstance(problem, redis.ResponseError)


def connect(
    url: str, *, timeout: float, max_connections: int = 64, sentinels: tuple[str, str] | None = None
) -> RedisClient:
    """Return a client; nothing is sent yet.

    Args:
        url: in one of the forms above.
        timeout: seconds for connecting, and for one reply.
        max_connections: of the pool.
        sentinels: user (or empty) and password of the sentinels themselves; those in the URL are the master's.

    Raises:
        ValueError: the URL is none of these, or has an option that redis-py does not know.
    """
    options: dict[str, Any] = {
        "socket_timeout": timeout,
        "socket_connect_timeout": timeout,
        # One retry for a pooled connection that the server closed while idle; none for a dead server.
        "retry": Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)),
        "max_connections": max_connections,
        "protocol": 2,
    }
    if url.startswith("redis+sentinel://"):
        return _sentinel(url, options, sentinels)
    if url.startswith("redis+cluster://"):
        options.pop("retry")
        return cast("RedisClient", LazyCluster(url.replace("redis+cluster://", "redis://", 1), options))
    client = redis.Redis.from_url(url, **options)
    pool = client.connection_pool
    try:
        pool.connection_class(**pool.connection_kwargs)  # otherwise the first command would raise the TypeError
    except TypeError as problem:
        raise ValueError(f"an option behind its ? is unknown: {problem}") from None
    return cast("RedisClient", client)


def uses_sentinel(client: RedisClient) -> bool:
    """Return whether the client takes its server from sentinels."""
    return not is_cluster(client) and isinstance(_pool(client), SentinelConnectionPool)


def check_master(client: RedisClient) -> None:
    """Ask the sentinels for the master, and close the connections to a former one.

    redis-py asks only when it connects. A connection in use is closed when it returns to the pool; a subscription
    (`router.redis_store.subscription`) ends by itself.

    Args:
        client: one that uses sentinels.

    Raises:
        redis.RedisError: no sentinel can name the master.
    """
    _pool(client).get_master_address()


def drop_connections(client: RedisClient) -> None:
    """Close idle connections: the server became read-only, and the URL may resolve to another one by now."""
    if not is_cluster(client):
        _pool(client).disconnect(inuse_connections=False)


def _as_redis_error(act: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a call so that an unreachable cluster raises a RedisError.

    redis-py's RedisClusterException is none: a thread that catches RedisError would end by it.
    """

    @functools.wraps(act)
    def translated(*arguments: Any, **options: Any) -> Any:
        try:
            return act(*arguments, **options)
        except RedisClusterException as problem:
            raise redis.ConnectionError(str(problem)) from problem

    return translated


def _also_at(find_nodes: Callable[..., None], addresses: Sequence[tuple[str, int]]) -> Callable[..., None]:
    """Wrap the search for nodes so that it also tries the URL's address, resolved again, when no known node answers.

    redis-py forgets that address once it knows the nodes, and asks only those: all of them may have moved.
    """

    @functools.wraps(find_nodes)
    def found(additional_startup_nodes_info: Sequence[tuple[str, int]] | None = None, **options: Any) -> None:
        more = [*(additional_startup_nodes_info or ()), *addresses]
        find_nodes(additional_startup_nodes_info=more, **options)

    return found


class _Cluster(RedisCluster):
    """A RedisCluster that finds its nodes again after all of them moved.

    All of its errors are RedisErrors: every command passes through `execute_command` or `pipeline`.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        nodes: Any = self.nodes_manager
        nodes.initialize = _also_at(nodes.initialize, [(node.host, node.port) for node in self.startup_nodes])

    execute_command = _as_redis_error(RedisCluster.execute_command)

    def pipeline(self, *arguments: Any, **options: Any) -> Any:
        pipeline: Any = super().pipeline(*arguments, **options)  # type: ignore[no-untyped-call]
        pipeline.execute = _as_redis_error(pipeline.execute)
        return pipeline


class LazyCluster:
    """A RedisCluster that looks for the cluster's nodes when it is first used.

    redis-py's own does so in its constructor, which would keep a service from starting while Redis is down. All of its
    errors are redis.RedisErrors.
    """

    def __init__(self, url: str, options: dict[str, Any]) -> None:
        self._url = url
        self._options = options
        self._lock = threading.Lock()
        self._cluster: Any = None

    def __getattr__(self, name: str) -> Any:
        with self._lock:
            if self._cluster is None:
                self._cluster = _as_redis_error(_Cluster.from_url)(self._url, **self._options)
        return getattr(self._cluster, name)


def is_cluster(client: RedisClient) -> bool:
    """Return whether the client is a Cluster's, whose keys live on several nodes."""
    return isinstance(client, LazyCluster | RedisCluster)


def server_id(client: RedisClient) -> str:
    """Return the run id of the server process: another process may lack writes that the former one acknowledged.

    Returns:
        The run id, of each primary in a Cluster; empty where our user lacks the permission.

    Raises:
        redis.RedisError: Redis can't be reached.
    """
    try:
        if not is_cluster(client):
            return str(client.info("server").get("run_id", ""))
        info = client.info("server", target_nodes=RedisCluster.PRIMARIES)
    except redis.ResponseError:
        return ""
    nodes = [info] if "run_id" in info else info.values()
    return " ".join(sorted(str(node.get("run_id", "")) for node in nodes))


def _pool(client: RedisClient) -> Any:
    """Return the connection pool of a client that is no Cluster's."""
    return cast("Any", client).connection_pool


def _sentinel(url: str, options: dict[str, Any], login: tuple[str, str] | None) -> RedisClient:
    parts = urlsplit(url)
    credentials, _, hosts = parts.netloc.rpartition("@")
    service, _, database = parts.path.strip("/").partition("/")
    if not hosts or not service:
        raise ValueError("write it as redis+sentinel://host:26379,host:26379/service/db")
    user, _, password = credentials.partition(":")
    secrets = {"username": unquote(user) or None, "password": unquote(password) or None} if credentials else {}
    limits = {name: options[name] for name in ("socket_timeout", "socket_connect_timeout", "protocol")}
    # Not as a password: redis-py's errors list each sentinel's options, and not every version hides the password.
    limits["credential_provider"] = login and UsernamePasswordCredentialProvider(*login)
    # No retries: another sentinel is asked at once, where redis-py's default would wait for seconds.
    limits["retry"] = Retry(NoBackoff(), 0)
    sentinel = Sentinel(sentinel_addresses(hosts), sentinel_kwargs=limits)  # type: ignore[no-untyped-call]
    client = sentinel.master_for(service, db=int(database or 0), **secrets, **options)  # type: ignore[no-untyped-call]
    return cast("RedisClient", client)
