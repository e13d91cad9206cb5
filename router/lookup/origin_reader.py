"""Reading the truth: number documents, accounts and port requests straight from CouchDB."""

import time
from collections.abc import Sequence

from router.couch.client import Document
from router.couch.errors import NotFoundError
from router.couch.server import CouchServer
from router.entries import codec, entry_builder
from router.entries.codec import Entry
from router.entries.reference_values import ActivePortRequest
from router.numbers import accounts
from router.numbers.documents import Skipped
from router.numbers.kazoo_databases import ACCOUNTS
from router.numbers.routes import Policy
from router.reference_data.active_port_requests import ActivePortRequests
from router.reference_data.cluster_configuration import read_cluster_configuration

_PORTS_LIFE = 5.0
"""Seconds that a reading of all port requests serves while Redis can't say what they are."""


class OriginReader:
    """The databases, as a lookup asks them. Threads share it; every method raises CouchError."""

    def __init__(self, databases: CouchServer) -> None:
        self.databases = databases
        self._ports = ActivePortRequests(databases, _PORTS_LIFE)

    def entries(self, database: str, numbers: Sequence[str], policy: Policy) -> dict[str, Entry]:
        """The entry of each number: what Redis would hold for it."""
        now = int(time.time())
        if len(numbers) == 1:
            found = {numbers[0]: self.document(database, numbers[0])}
        else:
            found = self.databases.database(database).get_many(numbers)
        return {number: _entry(document, database, policy, now) for number, document in found.items()}

    def document(self, database: str, identifier: str) -> Document | None:
        """One document; None where there is none."""
        try:
            return self.databases.database(database).get(identifier)
        except NotFoundError:
            return None

    def identifiers(self, database: str, first: str, most: int) -> list[str]:
        """The ids of documents from `first` on, in their order; NotFoundError where there is no such database."""
        return self.databases.database(database).ids_from(first, most)

    def account_enabled(self, account: str) -> bool | None:
        """Whether the account's own document says enabled; None when there is no such account."""
        document = self.document(ACCOUNTS, account)
        found = Skipped("missing") if document is None else accounts.read(document)
        if isinstance(found, Skipped) or found.deleted:
            return None
        return found.enabled

    def configuration(self) -> dict[str, object] | None:
        """The `default` section of system_config's number_manager document; None where there is none."""
        return read_cluster_configuration(self.databases)

    def ports(self, number: str, *, now: bool) -> tuple[ActivePortRequest, ...]:
        """The active port requests that name a number.

        Args:
            now: as they stand after this call began; else a reading serves for some seconds.
        """
        return self._ports.for_number_now(number) if now else self._ports.naming(number)


def _entry(document: Document | None, database: str, policy: Policy, now: int) -> Entry:
    if document is None:
        return codec.negative_entry(now)
    kept = entry_builder.entry_from_json(document, database, policy, now)
    return codec.negative_entry(now) if isinstance(kept, Skipped) else kept
