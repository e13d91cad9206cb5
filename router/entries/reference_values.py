"""Values that Redis holds for accounts, port requests and the number manager's configuration.

Each is the document's version (`codec.version_of`), followed by the fields that lookups need.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from router.entries.codec import VERSION, version_of
from router.numbers.kazoo_databases import ACCOUNTS, SYSTEM_CONFIG

_ACCOUNT = re.compile(rb"[10][A-Za-z0-9.\-_]{0,253}|D")
"""Payload of an account: enabled or disabled, and its SIP realm; or deleted."""


@dataclass(frozen=True, slots=True)
class ActivePortRequest:
    """The fields of an active port request that lookups need."""

    id: str
    account_id: str
    numbers: tuple[str, ...]


def account_value(revision: str, *, enabled: bool, exists: bool, realm: str = "") -> bytes:
    """Return the value of an account; a realm that is no host name is left out."""
    if not exists:
        return version_of(revision) + b"D"
    state = b"1" if enabled else b"0"
    payload = state + realm.encode()
    return version_of(revision) + (payload if _ACCOUNT.fullmatch(payload) else state)


def port_request_value(revision: str, port: ActivePortRequest | None) -> bytes:
    """Return the value of a port request; `port` is None for one that is not active."""
    if port is None:
        return version_of(revision)
    return version_of(revision) + json.dumps([port.account_id, *sorted(port.numbers)]).encode()


def config_value(revision: str, section: Mapping[str, Any] | None) -> bytes:
    """Return the value of the number manager's configuration; `section` is None for a deleted one."""
    return version_of(revision) + (b"" if section is None else json.dumps(section).encode())


def is_valid_value(database: str, value: bytes) -> bool:
    """Return whether a value has the form that a follower writes for this database."""
    version, payload = value[:VERSION], value[VERSION:]
    if len(version) < VERSION or database == ACCOUNTS:
        return len(version) == VERSION and _ACCOUNT.fullmatch(payload) is not None
    try:
        content_of(database, payload)
    except ValueError:
        return False
    return True


def content_of(database: str, payload: bytes) -> Any:
    """Decode what follows the version in a value of a port request or of the number manager's configuration.

    Returns:
        An account id followed by its numbers, or the configuration; None where the document does not count.

    Raises:
        ValueError: a follower writes no such value.
    """
    if not payload:
        return None
    try:
        content = json.loads(payload)
    except (ValueError, RecursionError):
        raise ValueError("it is no JSON") from None
    if not (isinstance(content, dict) if database == SYSTEM_CONFIG else _is_port_request(content)):
        raise ValueError("it is JSON of another form")
    return content


def _is_port_request(content: Any) -> bool:
    return isinstance(content, list) and all(isinstance(each, str) for each in content) and bool(content and content[0])
