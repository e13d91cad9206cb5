"""Building of cache values from documents, for the follower, the fallback and the audit."""

from collections.abc import Mapping
from typing import Any

from router.entries import codec
from router.entries.codec import Entry
from router.entries.reference_values import ActivePortRequest, account_value, config_value, port_request_value
from router.numbers import accounts, documents, port_requests, system_config
from router.numbers.documents import NumberDocument, Skipped, routable_id
from router.numbers.fields import shown
from router.numbers.kazoo_databases import ACCOUNTS, NUMBER_MANAGER, PORT_REQUESTS
from router.numbers.routes import Policy, decide

FORMAT = "2"
"""Incremented when the bytes of entries change: every number database is then read again."""
REFERENCE_FORMAT = "3"
"""Incremented when the bytes of accounts, port requests or configuration change."""


def entries_fingerprint(policy: Policy) -> str:
    """Return the fingerprint of entries built under a policy; a checkpoint with another one is read again."""
    return f"{FORMAT}-{policy.fingerprint()}"


def entry_from_json(document: Mapping[str, Any], database: str, policy: Policy, now: int) -> Entry | Skipped:
    """Build the entry of a document of a number database.

    A document that is no longer a number counts as deleted, so that its former entry is replaced.

    Returns:
        The entry, or the reason why no lookup can reach the document. Never raises: a malformed document affects no
        other.
    """
    identifier, revision = str(document.get("_id", "")), str(document.get("_rev", ""))
    reason = routable_id(identifier, database)
    if reason is not None:
        return Skipped(reason)
    try:
        read = Skipped("deleted") if document.get("_deleted") else documents.read(document)
        if isinstance(read, Skipped):
            return codec.tombstone_entry(revision, now)
        return codec.decision_entry(decide(read, policy), revision, now)
    except ValueError:
        return Skipped(f"its revision {shown(revision)} is none")


def entry_from_document(document: NumberDocument, policy: Policy, now: int) -> Entry:
    """Build the entry of a parsed number document from its own shard."""
    return codec.decision_entry(decide(document, policy), document.revision, now)


def document_value(database: str, document: Mapping[str, Any]) -> bytes | None:
    """Build the value of a document of a reference database; None for a document that does not count."""
    identifier, revision = str(document.get("_id", "")), str(document.get("_rev", ""))
    if identifier.startswith("_design/"):
        return None
    if database == ACCOUNTS:
        return _account(document, revision)
    if database == PORT_REQUESTS:
        return _port(document, revision)
    if identifier != NUMBER_MANAGER:
        return None
    return config_value(revision, system_config.default_section(document))


def active_port_request(document: Mapping[str, Any]) -> ActivePortRequest | None:
    """Return a port request for lookups; None unless it is active and names an account."""
    read = port_requests.read(document)
    if isinstance(read, Skipped) or not read.active or not read.account_id:
        return None
    return ActivePortRequest(read.id, read.account_id, tuple(sorted(read.numbers)))


def _account(document: Mapping[str, Any], revision: str) -> bytes | None:
    if document.get("_deleted"):
        return account_value(revision, enabled=False, exists=False)
    read = accounts.read(document)
    if isinstance(read, Skipped):
        return None
    return account_value(revision, enabled=read.enabled, exists=not read.deleted, realm=read.realm)


def _port(document: Mapping[str, Any], revision: str) -> bytes:
    return port_request_value(revision, None if document.get("_deleted") else active_port_request(document))
