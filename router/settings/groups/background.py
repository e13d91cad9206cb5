"""Settings of the number manager and of the follower."""

from enum import StrEnum
from typing import ClassVar

from pydantic import Field, field_validator

from router.runtime.addresses import parse_address
from router.settings.groups.group import Group


class CopiesMode(StrEnum):
    """Form of the copies of number documents in an account's own database."""

    SINGLE = "single"
    """One document, `phone_numbers`, with a summary of each number."""
    PER_NUMBER = "per_number"
    """The whole number document, a copy each."""
    BOTH = "both"
    NONE = "none"


class ManagerSettings(Group):
    """The number manager."""

    TITLE: ClassVar = "Number manager"
    FLAT_PREFIX: ClassVar = "manager_"
    UNPREFIXED: ClassVar = frozenset(("maintenance_interval", "account_copies"))

    timeout: float = Field(default=10.0, gt=0, description="seconds for one response of CouchDB to the number manager")
    threads: int = Field(default=8, ge=1, description="concurrent calls of the number manager in each worker")
    maintenance_interval: float = Field(
        default=3600.0,
        ge=0,
        description="seconds between two walks of the leading follower through all numbers, for those whose time is "
        "over (aging, discovery, deleted); 0: never",
    )
    account_copies: CopiesMode = Field(
        default=CopiesMode.SINGLE,
        description="copies in the accounts' own databases: single (a document 'phone_numbers' that lists all), "
        "per_number (a document each), both, none",
    )


class FollowerSettings(Group):
    """The follower of CouchDB's changes."""

    TITLE: ClassVar = "Follower"
    FLAT_PREFIX: ClassVar = "follower_"

    lease_ttl: float = Field(default=10.0, ge=1, description="seconds after which a standby replaces a silent leader")
    heartbeat: float = Field(default=10.0, ge=0.5, description="seconds between heartbeats of a changes feed")
    reconcile_interval: float = Field(
        default=120.0, ge=1, description="seconds between comparisons of every database with its checkpoint"
    )
    workers: int = Field(default=6, ge=1, description="databases that are read concurrently")
    max_feeds: int = Field(
        default=64,
        ge=0,
        description="busy databases with a changes feed of their own; updates of the rest wake the follower",
    )
    feed_idle_timeout: float = Field(
        default=60.0, gt=0, description="seconds without a change after which a database's own feed is closed"
    )
    batch_size: int = Field(default=1000, ge=1, le=10000, description="changes in one request")
    timeout: float = Field(default=30.0, gt=0, description="seconds for one read by the follower")
    account_copies: bool = Field(default=False, description="repair the account copies of every number that changes")
    admin_listen: str = Field(
        default="",
        description="address of /metrics and /healthz of `did-router follow`, such as 127.0.0.1:9051; empty: none "
        "(`serve --with-follower` shows the follower's metrics on its own page)",
    )

    @field_validator("admin_listen")
    @classmethod
    def _address(cls, address: str) -> str:
        return str(parse_address(address, "127.0.0.1:9051")) if address else ""
