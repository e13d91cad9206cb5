"""Every setting: flags over environment over a TOML file over defaults.

`docs/configuration.md` is generated from the groups, so that it can't drift.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from router.settings.dial_plans import DialPlanSettings
from router.settings.flat_names import FlatNames
from router.settings.groups.background import FollowerSettings, ManagerSettings
from router.settings.groups.console import ConsoleSettings
from router.settings.groups.observation import LogSettings, TraceSettings
from router.settings.groups.routing import CircuitBreakerSettings, LookupSettings, NearCacheSettings, RoutingSettings
from router.settings.groups.serving import (
    AuthSettings,
    ConnectionSettings,
    EdgeSettings,
    HTTPSettings,
    ServerSettings,
    TLSSettings,
)
from router.settings.groups.stores import CacheSettings, CouchDBSettings, RedisSettings, SentinelSettings
from router.settings.groups.switches import ENUMSettings, SIPSettings
from router.settings.loading import load, sources
from router.settings.redaction import redacted
from router.settings.rules import check_rules

_ADDRESSES = (
    "listen",
    "admin_listen",
    "http_listen",
    "sip_listen",
    "enum_listen",
    "follower_admin_listen",
    "transport",
)
_OF_ONE_PROCESS: dict[str, Any] = {
    **dict.fromkeys(_ADDRESSES, ""),
    **dict.fromkeys(("tls_certificate", "tls_key", "tls_client_ca")),
}
"""Settings that `serve` changes for its workers."""


class Settings(BaseSettings):
    """All settings of the service, the follower and the command, in groups."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True)

    couchdb: CouchDBSettings = CouchDBSettings()
    redis: RedisSettings = RedisSettings()
    sentinel: SentinelSettings = SentinelSettings()
    cache: CacheSettings = CacheSettings()
    server: ServerSettings = ServerSettings()
    http: HTTPSettings = HTTPSettings()
    sip: SIPSettings = SIPSettings()
    enum: ENUMSettings = ENUMSettings()
    tls: TLSSettings = TLSSettings()
    auth: AuthSettings = AuthSettings()
    connections: ConnectionSettings = ConnectionSettings()
    edge: EdgeSettings = EdgeSettings()
    lookup: LookupSettings = LookupSettings()
    circuit_breaker: CircuitBreakerSettings = CircuitBreakerSettings()
    near_cache: NearCacheSettings = NearCacheSettings()
    routing: RoutingSettings = RoutingSettings()
    manager: ManagerSettings = ManagerSettings()
    follower: FollowerSettings = FollowerSettings()
    console: ConsoleSettings = ConsoleSettings()
    log: LogSettings = LogSettings()
    trace: TraceSettings = TraceSettings()

    dial_plans: dict[str, DialPlanSettings] = Field({}, description="dial plans by name; 'system' is the default one")
    number_manager: dict[str, Any] = Field(
        {}, description="overrides system_config's number_manager document, by its own names"
    )
    carriers: dict[str, dict[str, Any]] = Field(
        {}, description="settings of carriers by module name, such as knm_other's url; the page 'Carriers' lists them"
    )
    features: dict[str, dict[str, Any]] = Field(
        {}, description="settings of feature providers by the name of their entry point"
    )

    @model_validator(mode="after")
    def _transport_has_tls(self) -> Self:
        if self.tls.enabled and self.server.transport == "native":
            raise ValueError("the transport native has no TLS: set transport to edge, grpcio or auto")
        return self

    @classmethod
    def settings_customise_sources(  # noqa: D102 - pydantic-settings' own hook
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        del env_settings, dotenv_settings, file_secret_settings
        return sources(settings_cls, NAMES, init_settings)

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        for name, value in super().__repr_args__():
            yield name, redacted(name, value)

    @classmethod
    def load(cls, config: Path | None = None, **flags: Any) -> Self:
        """Read the settings.

        Args:
            config: a TOML file, or None.
            flags: values given on the command line, by flat name; None means not given.

        Raises:
            SettingsError: a file that can't be read, an unknown name, an unusable value.
        """
        settings = load(cls, NAMES, config, flags)
        check_rules(settings)
        return settings

    def with_values(self, **flat: Any) -> Self:
        """Return the settings with other values, which are not validated.

        Args:
            flat: the values, by flat name.

        Raises:
            KeyError: a name that is no setting's.
        """
        for name in flat:
            NAMES.path(name)
        changes = NAMES.nested(flat)
        groups = {
            name: getattr(self, name).model_copy(update=value) if name in NAMES.groups else value
            for name, value in changes.items()
        }
        return self.model_copy(update=groups)

    def fingerprint(self) -> str:
        """Return 12 hexadecimal characters that are equal where all settings but addresses and secrets are equal."""
        same = self.with_values(**_OF_ONE_PROCESS)
        return hashlib.sha256(repr(same).encode()).hexdigest()[:12]

    def value(self, name: str) -> Any:
        """Return one value by its flat name.

        Raises:
            KeyError: a name that is no setting's.
        """
        value: Any = self
        for step in NAMES.path(name):
            value = getattr(value, step)
        return value


NAMES = FlatNames(Settings)
"""The flat names of all settings."""
