"""Settings of the stores: CouchDB, Redis, Redis' sentinels, and lifetimes of cache entries."""

from pathlib import Path
from typing import ClassVar

from pydantic import Field, SecretStr, field_validator

from router.settings.groups.group import Group
from router.settings.urls import ENCODING_HINT, are_valid_nodes, are_valid_sentinels, is_valid_url

_PASSWORD_FILE = "a file that holds nothing but that password; read when a process starts"  # noqa: S105
_REDIS_SCHEMES = ("redis://", "rediss://", "unix://", "redis+sentinel://", "redis+cluster://")


class CouchDBSettings(Group):
    """CouchDB's address and login, and limits of the reads of lookups."""

    TITLE: ClassVar = "CouchDB"
    FLAT_PREFIX: ClassVar = "couchdb_"

    url: str = Field(
        default="http://127.0.0.1:5984",
        description="CouchDB's address (http, https); may hold user and password, and several nodes of a cluster: "
        "`http://user:password@node1:5984,node2:5984,node3:5984`",
    )
    user: str = Field(default="", description="CouchDB's user, where the URL names none")
    password: SecretStr = Field(default=SecretStr(""), description="its password, where the URL has none")
    password_file: Path | None = Field(default=None, description=_PASSWORD_FILE)
    read_timeout: float = Field(default=1.0, gt=0, description="seconds for one read of a number database by a lookup")
    read_pool_size: int = Field(default=16, ge=1, description="concurrent reads of number databases by lookups")
    max_pending_reads: int = Field(
        default=2000, ge=1, description="numbers waiting for a database read; further misses are refused"
    )

    @field_validator("url")
    @classmethod
    def _url(cls, url: str) -> str:
        if not url.startswith(("http://", "https://")) or not are_valid_nodes(url) or "?" in url or "#" in url:
            raise ValueError(
                "write it as http://user:password@host:5984, several nodes of a cluster as "
                f"http://user:password@host:5984,host:5984{ENCODING_HINT}"
            )
        return url.rstrip("/")


class RedisSettings(Group):
    """Redis' address and login, and its timeout for lookups."""

    TITLE: ClassVar = "Redis"
    FLAT_PREFIX: ClassVar = "redis_"

    url: str = Field(
        default="redis://127.0.0.1:6379/0",
        description="Redis' address: redis://, rediss://, unix://, "
        "redis+sentinel://host:port,host:port/service/db, redis+cluster://host:port",
    )
    user: str = Field(default="", description="Redis' user, where the URL names none")
    password: SecretStr = Field(default=SecretStr(""), description="its password, where the URL has none")
    password_file: Path | None = Field(default=None, description=_PASSWORD_FILE)
    prefix: str = Field(default="did-router:", description="put before every Redis key")
    timeout: float = Field(default=0.25, gt=0, description="seconds for one response of Redis to a lookup")

    @field_validator("url")
    @classmethod
    def _url(cls, url: str) -> str:
        if not url.startswith(_REDIS_SCHEMES):
            raise ValueError(f"write it as one of {', '.join(_REDIS_SCHEMES)}")
        if url.startswith(("redis://", "rediss://", "redis+cluster://")) and not is_valid_url(url):
            raise ValueError(f"write it as redis://user:password@host:6379/0{ENCODING_HINT}")
        if url.startswith("redis+sentinel://") and ("?" in url or not are_valid_sentinels(url)):
            raise ValueError(
                f"write it as redis+sentinel://user:password@host:26379,host:26379/service/0{ENCODING_HINT}"
            )
        return url


class SentinelSettings(Group):
    """The sentinels' own login."""

    TITLE: ClassVar = "Redis Sentinel"
    FLAT_PREFIX: ClassVar = "sentinel_"

    user: str = Field(default="", description="the sentinels' own user (redis+sentinel:// alone)")
    password: SecretStr = Field(
        default=SecretStr(""),
        description="the sentinels' own password (redis+sentinel:// alone); the URL's is the master's",
    )
    password_file: Path | None = Field(default=None, description=_PASSWORD_FILE)


class CacheSettings(Group):
    """Lifetimes of the entries in Redis."""

    TITLE: ClassVar = "Cache entries in Redis"

    negative_ttl: float = Field(default=10.0, gt=0, description="seconds that Redis keeps 'no such number'")
    fill_ttl: float = Field(
        default=300.0,
        gt=0,
        description="seconds that Redis keeps an entry written by a lookup; the follower's do not expire",
    )
    tombstone_ttl: float = Field(default=86400.0, ge=60, description="seconds that Redis keeps a deletion")
    stale_after: float = Field(
        default=15.0, gt=0, description="seconds without a heartbeat of the follower before responses are marked stale"
    )
