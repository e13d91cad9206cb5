"""Redis clients by URL: standalone, Sentinel and Cluster.

redis://[user:password@]host:port/db     rediss://…     unix:///path/to/socket?db=0
redis+sentinel://[user:password@]host:26379,host:26379/service/db
redis+cluster://[user:password@]host:port
"""

import functools
import threading
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

import redis
from redis.backoff import NoBackoff
from redis.cluster import RedisCluster
from redis.credentials import UsernamePasswordCredentialProvider
from redis.exceptions import RedisClusterException
from redis.retry import Retry
from redis.sentinel import Sentinel, SentinelConnectionPool

RedisUnavailableError = redis.RedisError
"""Everything that can go wrong with Redis, for the floors above."""


def is_refusal(problem: Exception) -> bool:
    """Whether Redis is there and says no: memory full, a replica's, no rights. It need not be left alone for that."""
    return isinstance(problem, redis.ResponseError)


def connect(url: str, *, time_limit: float, connections: int = 64, sentinels: tuple[str, str] | None = None) -> Any:
    """A client; nothing is sent yet.

    Args:
        url: see the module.
        time_limit: seconds for connecting and for one answer.
        connections: open at a time, at most.
        sentinels: user (or empty) and password that the sentinels themselves want; those in the URL are the master's.

    Raises:
        ValueError: the URL is none of these, or has an option that redis-py does not know.
    """
    options: dict[str, Any] = {
        "socket_timeout": time_limit,
        "socket_connect_timeout": time_limit,
        # A kept connection that the server closed while idle gets one more try; a dead server gets none.
        "retry": Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)),
        "max_connections": connections,
        "protocol": 2,
    }
    if url.startswith("redis+sentinel://"):
        return _sentinel(url, options, sentinels)
    if url.startswith("redis+cluster://"):
        options.pop("retry")
        return LazyCluster(url.replace("redis+cluster://", "redis://", 1), options)
    client = redis.Redis.from_url(url, **options)
    pool = client.connection_pool
    try:
        pool.connection_class(**pool.connection_kwargs)  # else the first call would fail, with an error of Python's
    except TypeError as problem:
        raise ValueError(f"an option behind its ? is unknown: {problem}") from None
    return client


def uses_sentinel(client: Any) -> bool:
    """Whether sentinels say which server it is."""
    return not is_cluster(client) and isinstance(client.connection_pool, SentinelConnectionPool)


def check_master(client: Any) -> None:
    """Ask the sentinels which server is the master, and leave the former one, which may go on as if nothing had been.

    redis-py only asks when it connects. Connections that are in use end when they come back to the pool, listening ones
    (`router.redis_store.subscription`) by themselves.

    Args:
        client: one that has sentinels.

    Raises:
        redis.RedisError: no sentinel can say.
    """
    client.connection_pool.get_master_address()


def drop_connections(client: Any) -> None:
    """Connect anew from here on: who answers now takes no writes, and behind our URL there may be another by now."""
    if not is_cluster(client):
        client.connection_pool.disconnect(inuse_connections=False)


def _as_redis_error(act: Callable[..., Any]) -> Callable[..., Any]:
    """The same, but that a cluster of which no node can be reached is an error like that of any other Redis.

    redis-py's RedisClusterException is no RedisError: whoever waits for one would end by it.
    """

    @functools.wraps(act)
    def translated(*words: Any, **options: Any) -> Any:
        try:
            return act(*words, **options)
        except RedisClusterException as problem:
            raise redis.ConnectionError(str(problem)) from problem

    return translated


def _also_at(find_nodes: Callable[..., None], addresses: Sequence[tuple[str, int]]) -> Callable[..., None]:
    """The same, but that nodes are also looked for where the URL says, its name resolved again, if no other answers.

    redis-py forgets that address once it knows the nodes, and asks none but those: all of them may be elsewhere by now.
    """

    @functools.wraps(find_nodes)
    def found(additional_startup_nodes_info: Sequence[tuple[str, int]] | None = None, **options: Any) -> None:
        more = [*(additional_startup_nodes_info or ()), *addresses]
        find_nodes(additional_startup_nodes_info=more, **options)

    return found


class _Cluster(RedisCluster):
    """A RedisCluster that finds its nodes again wherever they went.

    All of its errors are RedisErrors: every command goes by one of the two ways here.
    """

    def __init__(self, *words: Any, **options: Any) -> None:
        super().__init__(*words, **options)
        nodes: Any = self.nodes_manager
        nodes.initialize = _also_at(nodes.initialize, [(node.host, node.port) for node in self.startup_nodes])

    execute_command = _as_redis_error(RedisCluster.execute_command)

    def pipeline(self, *words: Any, **options: Any) -> Any:
        pipeline: Any = super().pipeline(*words, **options)  # type: ignore[no-untyped-call]
        pipeline.execute = _as_redis_error(pipeline.execute)
        return pipeline


class LazyCluster:
    """A RedisCluster that asks for the cluster's nodes when it is first used, and not before.

    redis-py's own does so when it is made, which would keep a service from starting while Redis is away. Whatever goes
    wrong with it, then or later, is a redis.RedisError.
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


def is_cluster(client: Any) -> bool:
    """Whether keys live on several nodes."""
    return isinstance(client, LazyCluster | RedisCluster)


def server_id(client: Any) -> str:
    """Which server process answers; another one may lack what the former had acknowledged.

    Returns:
        A name of it; empty where our user may not ask.

    Raises:
        redis.RedisError: Redis can't be asked.
    """
    try:
        if not is_cluster(client):
            return str(client.info("server").get("run_id", ""))
        told = client.info("server", target_nodes=RedisCluster.PRIMARIES)
    except redis.ResponseError:
        return ""
    nodes = [told] if "run_id" in told else told.values()
    return " ".join(sorted(str(node.get("run_id", "")) for node in nodes))


def _sentinel(url: str, options: dict[str, Any], login: tuple[str, str] | None) -> Any:
    parts = urlsplit(url)
    credentials, _, hosts = parts.netloc.rpartition("@")
    service, _, database = parts.path.strip("/").partition("/")
    if not hosts or not service:
        raise ValueError("write it as redis+sentinel://host:26379,host:26379/service/db")
    pairs = [(host, int(port or 26379)) for host, _, port in (each.partition(":") for each in hosts.split(","))]
    user, _, password = credentials.partition(":")
    secrets = {"username": unquote(user) or None, "password": unquote(password) or None} if credentials else {}
    limits = {name: options[name] for name in ("socket_timeout", "socket_connect_timeout", "protocol")}
    # Not as a password: redis-py's errors name each sentinel with its options, and not every version hides that one.
    limits["credential_provider"] = login and UsernamePasswordCredentialProvider(*login)
    # A sentinel that is gone is no reason to wait, as long as another can be asked: redis-py's own way is seconds.
    limits["retry"] = Retry(NoBackoff(), 0)
    sentinel = Sentinel(pairs, sentinel_kwargs=limits)  # type: ignore[no-untyped-call]
    return sentinel.master_for(service, db=int(database or 0), **secrets, **options)  # type: ignore[no-untyped-call]
