"""Origin reader: number documents, accounts and port requests from CouchDB, past every cache."""

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

_PORT_REQUESTS_TTL = 5.0
"""Seconds for which a read of all port requests is used while Redis can't report them."""


class OriginReader:
    """Reads the databases for lookups. Threads share it; every method may raise CouchError."""

    def __init__(self, databases: CouchServer) -> None:
        self.databases = databases
        self._port_requests = ActivePortRequests(databases, _PORT_REQUESTS_TTL)

    def entries(self, database: str, numbers: Sequence[str], policy: Policy) -> dict[str, Entry]:
        """Return the entry of each number, as Redis would hold it."""
        now = int(time.time())
        if len(numbers) == 1:
            found = {numbers[0]: self.document(database, numbers[0])}
        else:
            found = self.databases.database(database).get_many(numbers)
        return {number: _entry(document, database, policy, now) for number, document in found.items()}

    def document(self, database: str, identifier: str) -> Document | None:
        """Return one document; None where there is none."""
        try:
            return self.databases.database(database).get(identifier)
        except NotFoundError:
            return None

    def lacks(self, database: str) -> bool:
        """Return whether a database does not exist; a document that is missing may be missing for that."""
        return self.databases.infos([database])[database] is None

    def ids_from(self, database: str, first: str, max_ids: int) -> list[str]:
        """Return the ids of documents from `first` on, in their order; NotFoundError where the database is missing."""
        return self.databases.database(database).ids_from(first, max_ids)

    def account_enabled(self, account: str) -> bool | None:
        """Return whether the account's own document is enabled; None where there is no such account."""
        document = self.document(ACCOUNTS, account)
        found = Skipped("missing") if document is None else accounts.read(document)
        if isinstance(found, Skipped) or found.deleted:
            return None
        return found.enabled

    def configuration(self) -> dict[str, object] | None:
        """Return the `default` section of system_config's number_manager document; None where there is none."""
        return read_cluster_configuration(self.databases)

    def port_requests(self, number: str, *, now: bool) -> tuple[ActivePortRequest, ...]:
        """Return the active port requests that name a number.

        Args:
            now: read them after this call began; otherwise a read of the last seconds is used.
        """
        return self._port_requests.for_number_now(number) if now else self._port_requests.naming(number)


def _entry(document: Document | None, database: str, policy: Policy, now: int) -> Entry:
    if document is None:
        return codec.negative_entry(now)
    kept = entry_builder.entry_from_json(document, database, policy, now)
    return codec.negative_entry(now) if isinstance(kept, Skipped) else kept
