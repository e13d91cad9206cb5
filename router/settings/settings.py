"""Every setting, in one place: flags over environment over a TOML file over defaults.

`docs/configuration.md` is generated from here, so that it can't drift.
"""

import logging
import os
import tomllib
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)
from pydantic_settings import SettingsError as SourceError

from router.numbers import rules
from router.numbers.rules import Rules
from router.numbers.states import ROUTABLE
from router.settings.dial_plans import DialPlanSettings
from router.settings.service_links import is_service_link
from router.settings.urls import ENCODING_HINT, are_valid_nodes, are_valid_sentinels, is_valid_url, without_password

log = logging.getLogger(__name__)

_PREFIX = "DID_ROUTER_"
_OF_CLIENTS = {"token"}
"""Names in the environment that are no settings: what a command shows to a service that it asks."""

LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
"""Of the command, and of every process that it starts."""

_SECTION = "number_manager.default."
"""Begins the names of values in the cluster's document; the setting has them without the section."""

MAX_SECONDS = 1e9
"""Seconds, some 31 years: more than a timer of the operating system or an expiry in Redis takes."""

_FILE: ContextVar[Mapping[str, Any] | None] = ContextVar("what the settings file says", default=None)


class SettingsError(Exception):
    """The settings can't be used; the message says which one and what to do."""


class CopiesMode(StrEnum):
    """What an account's own database holds of its numbers."""

    SINGLE = "single"
    """One document, `phone_numbers`, with a summary of each number."""
    PER_NUMBER = "per_number"
    """The whole number document, a copy each."""
    BOTH = "both"
    NONE = "none"


class Settings(BaseSettings):
    """All settings of the service, the follower and the command."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True)

    couchdb_url: str = Field(
        "http://127.0.0.1:5984",
        description="CouchDB's address (http, https); may hold user and password, and several nodes of a cluster: "
        "http://user:password@node1:5984,node2:5984,node3:5984",
    )
    couchdb_user: str = Field("", description="CouchDB's user, where the URL names none")
    couchdb_password: SecretStr = Field(SecretStr(""), description="its password, where the URL has none")
    couchdb_password_file: Path | None = Field(
        None, description="a file that holds nothing but that password; read when a process starts"
    )
    redis_url: str = Field(
        "redis://127.0.0.1:6379/0",
        description="Redis' address: redis://, rediss://, unix://, "
        "redis+sentinel://host:port,host:port/service/db, redis+cluster://host:port",
    )
    redis_user: str = Field("", description="Redis' user, where the URL names none")
    redis_password: SecretStr = Field(SecretStr(""), description="its password, where the URL has none")
    redis_password_file: Path | None = Field(
        None, description="a file that holds nothing but that password; read when a process starts"
    )
    sentinel_user: str = Field("", description="the sentinels' own user (redis+sentinel:// alone)")
    sentinel_password: SecretStr = Field(
        SecretStr(""), description="the sentinels' own password (redis+sentinel:// alone); the URL's is the master's"
    )
    sentinel_password_file: Path | None = Field(
        None, description="a file that holds nothing but that password; read when a process starts"
    )
    redis_prefix: str = Field("did-router:", description="put before every Redis key")
    listen: str = Field("127.0.0.1:50051", description="address of the gRPC service")
    transport: Literal["auto", "edge", "native", "grpcio"] = Field(
        "auto",
        description="what listens; auto: native where only this machine reaches `listen` and TLS is off, else edge "
        "(`serve` runs Envoy before its workers) where Envoy is installed, else grpcio: a page of docs, edge, says "
        "which is for what",
    )
    edge_directory: Path | None = Field(
        None,
        description="where the edge keeps the workers' sockets and what Envoy reads; made with mode 0700. None: a "
        "temporary one for each start",
    )
    edge_threads: int = Field(0, ge=0, description="Envoy's threads; 0: as many as workers")
    edge_external: bool = Field(
        default=False,
        description="Envoy is run from elsewhere, with what `did-router edge-config` prints; wants `edge_directory`",
    )
    workers: int = Field(
        0,
        ge=0,
        description="worker processes that share the address; 0: one for each CPU that the process may use (its "
        "affinity, and the CPU limit of its cgroup)",
    )
    cpu_affinity: bool | Literal["auto"] = Field(
        "auto",
        description="keep what answers a worker's lookups on one core (native transport, Linux): a quarter less CPU "
        "time a call; auto: on a core that no other did-router of the machine keeps to; in a container only where its "
        "CPU limit is its whole cpuset; true: there too; false: off, where something else keeps single cores busy",
    )
    admin_listen: str = Field("127.0.0.1:9050", description="address of /metrics, /healthz, /readyz, /state")

    tls_certificate: Path | None = Field(
        None, description="PEM file: the service's certificate, then its intermediates; read again when it changes"
    )
    tls_key: Path | None = Field(None, description="PEM file: the certificate's private key")
    tls_client_ca: Path | None = Field(
        None, description="PEM file: who signs clients' certificates; a client without one is turned away"
    )
    token_file: Path | None = Field(
        None,
        description="lines of `name sha256 scope[,scope] [account=ID]`: who may ask, and for which account; read again "
        "when it changes",
    )
    insecure: bool = Field(
        default=False, description="listen where others can reach it, without what keeps strangers out"
    )

    lookup_timeout: float = Field(
        2.0, gt=0, description="seconds that a call is worked on at most, and the deadline of calls that bring none"
    )
    redis_timeout: float = Field(0.25, gt=0, description="seconds for one answer of Redis to a lookup")
    couchdb_read_timeout: float = Field(1.0, gt=0, description="seconds for one read of a number database by a lookup")
    couchdb_read_pool_size: int = Field(16, ge=1, description="reads of number databases at a time, by lookups")
    couchdb_max_pending_reads: int = Field(
        2000, ge=1, description="numbers waiting for a database read before further misses are refused"
    )
    circuit_breaker_failures: int = Field(5, ge=1, description="failures in a row after which a store is left alone")
    circuit_breaker_reset_timeout: float = Field(1.0, gt=0, description="seconds that a failed store is left alone")
    near_cache_entries: int = Field(
        200_000, ge=0, description="numbers kept in each worker's own memory; 0 keeps none (nor does a Redis Cluster)"
    )
    near_cache_bytes: int = Field(256 << 20, ge=1 << 20, description="bytes that they may take, roughly")
    batch_size: int = Field(512, ge=1, le=5000, description="calls taken together by the lookup")
    max_queued_calls: int = Field(
        4000, ge=1, description="calls that may wait to be taken by the lookup before further ones are refused"
    )
    max_connections: int = Field(
        1000, ge=1, description="connections that the edge keeps open; one more is closed at once"
    )
    max_concurrent_streams: int = Field(100, ge=1, description="calls that may be open on one connection at a time")
    max_connection_rate: int = Field(
        600,
        ge=0,
        description="new connections a second that the edge accepts, of all callers together; 0: any number",
    )
    idle_timeout: float = Field(
        300.0,
        gt=0,
        description="seconds that a connection may stay without an open call before it is asked to leave (edge and "
        "grpcio)",
    )
    drain_delay: float = Field(
        2.0,
        ge=0,
        description="seconds on SIGTERM during which `serve` says that it is not ready and goes on answering, so that "
        "whoever polls it notices",
    )
    shutdown_grace_period: float = Field(10.0, ge=0, description="seconds for running calls to finish on SIGTERM")

    negative_ttl: float = Field(10.0, gt=0, description="seconds that 'no such number' is kept in Redis")
    fill_ttl: float = Field(
        300.0, gt=0, description="seconds that a lookup's own reading is kept (the follower's stay)"
    )
    tombstone_ttl: float = Field(86400.0, ge=60, description="seconds that a deletion is remembered")
    stale_after: float = Field(
        15.0, gt=0, description="seconds without a sign of the follower before answers are marked stale"
    )
    unknown_account: Literal["allow", "refuse"] = Field(
        "allow",
        description="an account with no document: route (and count it), or refuse, in words of its own",
    )
    routable_states: list[str] = Field(list(ROUTABLE), description="number states that take calls")
    dial_plans: dict[str, DialPlanSettings] = Field({}, description="dial plans by name; 'system' is the default one")
    number_manager: dict[str, Any] = Field(
        {}, description="overrules system_config's number_manager document, by its own names"
    )
    carriers: dict[str, dict[str, Any]] = Field(
        {}, description="settings of carriers by module name, such as knm_other's url; a page of docs says which"
    )
    features: dict[str, dict[str, Any]] = Field(
        {}, description="settings of feature providers by the name of their entry point"
    )

    account_copies: CopiesMode = Field(
        CopiesMode.SINGLE,
        description="copies in the accounts' own databases: single (a document 'phone_numbers' that lists all), "
        "per_number (a document each), both, none",
    )

    manager_timeout: float = Field(10.0, gt=0, description="seconds for one answer of CouchDB to the number manager")
    manager_threads: int = Field(8, ge=1, description="calls of the number manager worked on at a time, by each worker")
    maintenance_interval: float = Field(
        3600.0,
        ge=0,
        description="seconds between two walks of the leading follower through all numbers, for those whose time is "
        "over (aging, discovery, deleted); 0: never",
    )

    follower_lease_ttl: float = Field(
        10.0, ge=1, description="seconds after which a silent follower is replaced by one that stands by"
    )
    follower_heartbeat: float = Field(10.0, ge=0.5, description="seconds between a feed's signs of life")
    follower_reconcile_interval: float = Field(
        120.0, ge=1, description="seconds between comparisons of every database with its checkpoint"
    )
    follower_workers: int = Field(6, ge=1, description="databases read at a time")
    follower_max_feeds: int = Field(
        64, ge=0, description="busy databases followed by a feed of their own, the rest are woken"
    )
    follower_feed_idle_timeout: float = Field(
        60.0, gt=0, description="seconds without a change after which a database's own feed is closed"
    )
    follower_batch_size: int = Field(1000, ge=1, le=10000, description="changes read at a time")
    follower_timeout: float = Field(30.0, gt=0, description="seconds for one read by the follower")
    follower_account_copies: bool = Field(
        default=False, description="the follower mends the account copies of every number that changes"
    )

    @field_validator("*")
    @classmethod
    def _within_reason(cls, value: Any) -> Any:
        if isinstance(value, float) and not value <= MAX_SECONDS:  # "not a number" is smaller than nothing
            raise ValueError(f"write a number of seconds, at most {MAX_SECONDS:,.0f}")
        return value

    @field_validator("couchdb_url")
    @classmethod
    def _couchdb_scheme(cls, url: str) -> str:
        if not url.startswith(("http://", "https://")) or not are_valid_nodes(url) or "?" in url or "#" in url:
            raise ValueError(
                "write it as http://user:password@host:5984, several nodes of a cluster as "
                f"http://user:password@host:5984,host:5984{ENCODING_HINT}"
            )
        return url.rstrip("/")

    @field_validator("redis_url")
    @classmethod
    def _redis_scheme(cls, url: str) -> str:
        known = ("redis://", "rediss://", "unix://", "redis+sentinel://", "redis+cluster://")
        if not url.startswith(known):
            raise ValueError(f"write it as one of {', '.join(known)}")
        if url.startswith(("redis://", "rediss://", "redis+cluster://")) and not is_valid_url(url):
            raise ValueError(f"write it as redis://user:password@host:6379/0{ENCODING_HINT}")
        if url.startswith("redis+sentinel://") and ("?" in url or not are_valid_sentinels(url)):
            raise ValueError(
                f"write it as redis+sentinel://user:password@host:26379,host:26379/service/0{ENCODING_HINT}"
            )
        return url

    @field_validator("listen", "admin_listen")
    @classmethod
    def _address(cls, address: str) -> str:
        host, colon, port = address.rpartition(":")
        if not colon or not host or not port.isdigit() or int(port) > 65535:  # noqa: PLR2004 - TCP's highest
            raise ValueError("write it as host:port, such as 127.0.0.1:50051")
        return address

    @model_validator(mode="after")
    def _tls_is_whole(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key belong together: give both")
        if self.tls_client_ca and not self.tls:
            raise ValueError("tls_client_ca wants tls_certificate and tls_key beside it")
        if self.tls and self.transport == "native":
            raise ValueError("the transport native has no TLS: set transport to edge, grpcio or auto")
        return self

    @model_validator(mode="after")
    def _edge_is_whole(self) -> Self:
        if self.edge_external and self.edge_directory is None:
            raise ValueError("edge_external wants edge_directory beside it: the directory that your Envoy reads")
        return self

    @property
    def tls(self) -> bool:
        """Whether the gRPC service speaks TLS."""
        return self.tls_certificate is not None

    @classmethod
    def settings_customise_sources(  # noqa: D102 - pydantic-settings' own hook
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        del dotenv_settings, file_secret_settings
        return init_settings, env_settings, InitSettingsSource(settings_cls, dict(_FILE.get() or {}))

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        for name, value in super().__repr_args__():
            yield name, _without_secrets(name, value)

    @classmethod
    def load(cls, config: Path | None = None, **flags: Any) -> Self:
        """Read the settings.

        Args:
            config: a TOML file, or None.
            flags: values given on the command line; None means not given.

        Raises:
            SettingsError: a file that can't be read, an unknown name, an unusable value.
        """
        given = {name: value for name, value in flags.items() if value is not None}
        _check_environment()
        file = _FILE.set(_read_toml(config))
        try:
            settings = cls(**given)
        except ValidationError as problem:
            raise SettingsError(_explain(problem, config)) from None
        except SourceError as problem:
            name = next((word for word in str(problem).split('"')[1::2] if word in cls.model_fields), "a table")
            raise SettingsError(f"environment variable {_PREFIX}{name.upper()} is not JSON") from None
        except RecursionError:
            raise SettingsError("a setting has lists or tables too deep inside each other") from None
        finally:
            _FILE.reset(file)
        settings._check_rules()
        return settings

    def rules(self, section: Mapping[str, object] | None) -> Rules:
        """Dial plans and routing policy, from these settings over the cluster's configuration.

        Args:
            section: the `default` section of system_config's number_manager; None where there is none.
        """
        return rules.build(
            section,
            overrule=self.number_manager,
            plans={name: plan.spec(name) for name, plan in self.dial_plans.items()},
            routable_states=tuple(self.routable_states),
        )

    def rules_or_defaults(self, section: Mapping[str, object] | None) -> Rules:
        """The same, where a configuration that can't be used must not stop anything: it is left out and logged."""
        try:
            made = self.rules(section)
        except ValueError as problem:
            log.error("system_config's number_manager can't be used and is left out: %s", problem)
            return self.rules(None)
        for warning in made.warnings:
            log.warning("system_config: %s (until then its default is used)", warning)
        return made

    def _check_rules(self) -> None:
        unknown = sorted(set(self.number_manager) - rules.CONFIG_NAMES)
        if unknown:
            raise SettingsError(f"setting 'number_manager.{unknown[0]}' is not one of KAZOO's number_manager names")
        try:
            warnings = self.rules(None).warnings
        except ValueError as problem:
            raise SettingsError(str(problem)) from None
        if warnings:
            raise SettingsError(f"setting {warnings[0].replace(_SECTION, 'number_manager.', 1)}")


def _check_environment() -> None:
    """A name with a typo would be ignored without a word."""
    for variable in os.environ:
        if not variable.startswith(_PREFIX) or is_service_link(variable, os.environ):
            continue
        name = variable.removeprefix(_PREFIX).partition("__")[0].lower()
        if name not in Settings.model_fields.keys() | _OF_CLIENTS:
            raise SettingsError(f"unknown setting in the environment: {variable}{_nearest(name)}")


def _read_toml(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as problem:
        raise SettingsError(f"settings file {path}: {problem.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise SettingsError(f"settings file {path} is not TOML: {problem}") from None
    except RecursionError:
        raise SettingsError(f"settings file {path} has lists or tables too deep inside each other") from None


def _explain(problem: ValidationError, config: Path | None) -> str:
    lines = [_explain_one(dict(error)) for error in problem.errors(include_url=False)]
    return "; ".join(lines) + (f" (settings: {config}, environment, flags)" if config else "")


def _explain_one(error: dict[str, Any]) -> str:
    name = ".".join(str(part) for part in error["loc"]) or "settings"
    if error["type"] == "extra_forbidden":
        return f"unknown setting '{name}'{_nearest(name)}: see did-router --help or docs/configuration.md"
    reason = str(error["msg"]).removeprefix("Value error, ")
    return f"setting '{name}': {reason}"


def _nearest(name: str) -> str:
    from difflib import get_close_matches  # noqa: PLC0415 - only when something is wrong

    close = get_close_matches(name.rsplit(".", maxsplit=1)[-1], Settings.model_fields, n=1)
    return f" (did you mean '{close[0]}'?)" if close else ""


def _without_secrets(name: str | None, value: Any) -> Any:
    """A setting as it may be shown; of a plug-in's, which may be secrets, only their names."""
    if name in {"couchdb_url", "redis_url"}:
        return without_password(value)
    if name in {"carriers", "features"}:
        return {plugin: dict.fromkeys(table, "***") for plugin, table in value.items()}
    return value
