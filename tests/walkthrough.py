"""A walk through the Number Document page's own example, with the documents printed at each step.

    python -m tests.walkthrough --couchdb-url http://admin:password@127.0.0.1:5984 --redis-url redis://127.0.0.1:6379/0

Without URLs it brings its own stores. It writes to numbers/+1999 (or what --number says), to `accounts` and to two
accounts' own databases, and takes away what it wrote.
"""

import argparse
import json
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any

from router.couch.errors import ConflictError, NotFoundError
from router.couch.server import CouchServer
from router.embedded import EmbeddedCouchDB, EmbeddedRedis
from router.lifecycle.operations import SYSTEM, Operation, OperationRequest
from router.manager.manager import NumberManager
from router.numbers.shards import shard_for
from router.settings import Settings
from router.stores.clients import Stores

PARENT, SUB = "f00d" + "0" * 28, "f00d" + "1" * 28
NUMBER = "+19995550100"
Say = Callable[[str], None]


def own_database(account: str) -> str:
    """An account's own database."""
    return f"account/{account[:2]}/{account[2:4]}/{account[4:]}"


class Walk:
    """The page's example: a parent reserves, the sub-account acquires, uses and deletes it, and it is the parent's."""

    def __init__(self, settings: Settings, number: str, say: Say) -> None:
        stores = Stores(settings)
        self.databases: CouchServer = stores.databases
        self._manager = NumberManager(settings, stores)
        self._number = number
        self._shard = str(shard_for(number))
        self._say = say

    def prepare(self) -> None:
        """A parent and its sub-account, with databases of their own."""
        for name in ("accounts", own_database(PARENT), own_database(SUB)):
            try:
                self.databases.database(name).create()
            except ConflictError:
                continue
        for account, tree in ((PARENT, []), (SUB, [PARENT])):
            self._forget("accounts", account)
            self.databases.database("accounts").put(
                {"_id": account, "pvt_type": "account", "pvt_tree": tree, "name": "walk"}
            )

    def steps(self) -> list[Mapping[str, Any]]:
        """Take them; returns the number document after each."""
        kept = "knm_inventory"  # a carrier module whose documents stay, unlike knm_local's
        asked = (
            (
                "made available",
                OperationRequest(Operation.CREATE, self._number, SYSTEM, state="available", module_name=kept),
            ),
            ("the parent reserves it", OperationRequest(Operation.RESERVE, self._number, PARENT, assign_to=PARENT)),
            (
                "its sub-account reserves it too",
                OperationRequest(Operation.RESERVE, self._number, PARENT, assign_to=SUB),
            ),
            ("and acquires it", OperationRequest(Operation.MOVE, self._number, SUB, assign_to=SUB)),
            ("uses it", OperationRequest(Operation.ASSIGN_TO_APP, self._number, SUB, used_by="callflow")),
            (
                "with a name on its calls",
                OperationRequest(Operation.UPDATE, self._number, SUB, public_fields={"cnam": {"display_name": "Acme"}}),
            ),
            ("and deletes it: it is the parent's again", OperationRequest(Operation.RELEASE, self._number, SUB)),
            ("the parent deletes it too", OperationRequest(Operation.RELEASE, self._number, PARENT)),
        )
        return [self._step(title, ask) for title, ask in asked]

    def clean(self) -> None:
        """Take away what was written."""
        self._manager.carry_out([OperationRequest(Operation.DELETE, self._number, SYSTEM)])
        for account in (PARENT, SUB):
            self._forget("accounts", account)
            self.databases.database(own_database(account)).drop()
        self._manager.close()

    def _step(self, title: str, ask: OperationRequest) -> Mapping[str, Any]:
        [outcome] = self._manager.carry_out([ask])
        if outcome.error is not None:
            raise SystemExit(f"{title}: {outcome.error}")
        document = dict(self.databases.database(self._shard).get(self._number))
        self._say(f"\n== {title} ({ask.operation.value} by {ask.auth_by})")
        for warning in outcome.warnings:
            self._say(f"warning: {warning}")
        self._say(json.dumps(document, indent=2))
        for name, account in (("parent", PARENT), ("sub-account", SUB)):
            self._say(f"-- the {name}'s own list has {json.dumps(self._listed(account))}")
        return document

    def _listed(self, account: str) -> Any:
        try:
            return self.databases.database(own_database(account)).get("phone_numbers").get(self._number)
        except NotFoundError:
            return None

    def _forget(self, database: str, identifier: str) -> None:
        try:
            self.databases.database(database).delete(
                identifier, str(self.databases.database(database).get(identifier)["_rev"])
            )
        except NotFoundError:
            return


def walk(settings: Settings, number: str = NUMBER, say: Say = print) -> list[Mapping[str, Any]]:
    """The whole example; the number document after each step."""
    way = Walk(settings, number, say)
    way.prepare()
    try:
        return way.steps()
    finally:
        way.clean()


def main() -> None:
    """Read the arguments and walk."""
    parser = argparse.ArgumentParser(description="Walk through the Number Document page's own example.")
    parser.add_argument("--couchdb-url", help="a CouchDB to walk on, with an administrator's credentials")
    parser.add_argument("--redis-url", help="its Redis")
    parser.add_argument("--number", default=NUMBER, help="a number that nobody needs (%(default)s)")
    given = parser.parse_args()
    with ExitStack() as stack:
        couchdb = given.couchdb_url or stack.enter_context(EmbeddedCouchDB()).url
        redis = given.redis_url or stack.enter_context(EmbeddedRedis()).url
        walk(Settings.load(None, couchdb_url=couchdb, redis_url=redis), given.number)


if __name__ == "__main__":
    main()
