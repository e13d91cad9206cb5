"""The values that Redis holds for accounts, port requests and the number manager's configuration.

Each is the document's version (`codec.version_of`), followed by what lookups need of it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from router.entries.codec import VERSION, version_of
from router.numbers.kazoo_databases import ACCOUNTS, SYSTEM_CONFIG

_ACCOUNTS = {b"1", b"0", b"D"}
"""What is said of an account: enabled, disabled, deleted."""


@dataclass(frozen=True, slots=True)
class ActivePortRequest:
    """An active port request, as far as lookups need it."""

    id: str
    account_id: str
    numbers: tuple[str, ...]


def account_value(revision: str, *, enabled: bool, exists: bool) -> bytes:
    """What Redis holds for an account."""
    return version_of(revision) + (b"D" if not exists else b"1" if enabled else b"0")


def port_request_value(revision: str, port: ActivePortRequest | None) -> bytes:
    """What Redis holds for a port request; None for one that is not active."""
    if port is None:
        return version_of(revision)
    return version_of(revision) + json.dumps([port.account_id, *sorted(port.numbers)]).encode()


def config_value(revision: str, section: Mapping[str, Any] | None) -> bytes:
    """What Redis holds for the number manager's configuration; None when it was deleted."""
    return version_of(revision) + (b"" if section is None else json.dumps(section).encode())


def is_valid_value(database: str, value: bytes) -> bool:
    """Whether a value is one that a follower writes for a document of this database."""
    version, payload = value[:VERSION], value[VERSION:]
    if len(version) < VERSION or database == ACCOUNTS:
        return len(version) == VERSION and payload in _ACCOUNTS
    if not payload:
        return True
    try:
        said = json.loads(payload)
    except (ValueError, RecursionError):
        return False
    return isinstance(said, dict) if database == SYSTEM_CONFIG else is_port_request_value(said)


def is_port_request_value(said: Any) -> bool:
    """Whether these are an account and its numbers."""
    return isinstance(said, list) and all(isinstance(each, str) for each in said) and bool(said and said[0])
