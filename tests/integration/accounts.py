"""Accounts with databases of their own, and what stands in them."""

from typing import Any

from router.account_copies import AccountCopies, CopiesMode
from router.account_copies.names import account_database
from router.couch.client import CouchClient
from router.couch.errors import ConflictError, NotFoundError
from router.couch.server import CouchServer
from router.embedded import EmbeddedCouchDB
from router.numbers.shards import shard_for

A, B, C, D = ("a" * 32, "b" * 32, "c" * 32, "d" * 32)
NUMBER, OTHER = "+14158867900", "+14158867901"
CREATED, MODIFIED = 63_877_497_874, 63_877_497_900


def number_document(number: str = NUMBER, assigned_to: str | None = A, **more: Any) -> dict[str, Any]:
    """A number document as the page writes it."""
    fields: dict[str, Any] = {
        "_id": number,
        "pvt_type": "number",
        "pvt_db_name": "numbers%2F%2B1415",
        "pvt_number_state": "in_service",
        "pvt_module_name": "knm_bandwidth2",
        "pvt_features": ["outbound_cnam", "dash_e911"],
        "pvt_reserve_history": [],
        "pvt_created": CREATED,
        "pvt_modified": MODIFIED,
        "custom": {"kept": True},
    }
    if assigned_to:
        fields["pvt_assigned_to"] = assigned_to
    return {**fields, **more}


class Accounts:
    """A CouchDB with accounts A, B and C, which have databases, and D, which has none."""

    def __init__(self, couchdb: EmbeddedCouchDB, url: str = "") -> None:
        self.server = couchdb
        self.databases = CouchServer(CouchClient(couchdb.url, timeout=20))
        self.used = CouchServer(CouchClient(url, timeout=20)) if url else self.databases
        for account in (A, B, C):
            self.create(str(account_database(account)))

    def create(self, database: str) -> None:
        try:
            self.databases.database(database).create()
        except ConflictError:
            return

    def copies(self, mode: CopiesMode = CopiesMode.SINGLE) -> AccountCopies:
        return AccountCopies(self.used, mode)

    def put(self, database: str, document: dict[str, Any]) -> str:
        """Write a document over whatever stands there."""
        self.create(database)
        held = self.get(database, str(document["_id"]))
        return self.databases.database(database).put(document | ({"_rev": held["_rev"]} if held else {}))

    def get(self, database: str, identifier: str) -> dict[str, Any] | None:
        try:
            return dict(self.databases.database(database).get(identifier))
        except NotFoundError:
            return None

    def number(self, number: str = NUMBER, assigned_to: str | None = A, **more: Any) -> str:
        """Write a number document, and nothing else."""
        return self.put(str(shard_for(number)), number_document(number, assigned_to, **more))

    def delete_number(self, number: str = NUMBER) -> None:
        held = self.get(str(shard_for(number)), number)
        assert held is not None
        self.databases.database(str(shard_for(number))).delete(number, str(held["_rev"]))

    def listing(self, account: str) -> dict[str, Any] | None:
        """The account's `phone_numbers` document."""
        return self.get(str(account_database(account)), "phone_numbers")

    def listed(self, account: str) -> dict[str, Any]:
        """Its numbers alone."""
        return {name: value for name, value in (self.listing(account) or {}).items() if name.startswith("+")}

    def write_listing(self, account: str, **entries: Any) -> None:
        """Write the whole `phone_numbers` document."""
        self.put(str(account_database(account)), {"_id": "phone_numbers", **entries})

    def copied(self, account: str, number: str = NUMBER) -> dict[str, Any] | None:
        """The account's whole copy of a number."""
        return self.get(str(account_database(account)), number)

    def whereabouts(self, number: str = NUMBER) -> str:
        """Return the accounts whose lists have the number, in letters."""
        return "".join(account[0] for account in (A, B, C) if number in self.listed(account))

    def copies_in(self, number: str = NUMBER) -> str:
        """Return the accounts with a whole copy, in letters."""
        return "".join(account[0] for account in (A, B, C) if self.copied(account, number))
