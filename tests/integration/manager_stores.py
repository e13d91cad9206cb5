"""A family of accounts, and a number manager that works for it."""

from collections.abc import Sequence
from typing import Any

from router.lifecycle.operations import SYSTEM, Operation, OperationRequest
from router.manager.manager import NumberManager
from router.manager.outcomes import Outcome
from router.stores.clients import Stores
from tests.integration.real_stores import NUMBER, RealStores

MASTER, RESELLER, CHILD, STRANGER = "a" * 32, "b" * 32, "c" * 32, "d" * 32
SHARD = "numbers/+1415"
INVENTORY = "knm_inventory"
"""A carrier that is asked nothing and keeps its numbers' documents on release."""


def stored_document(stores: RealStores, number: str = NUMBER, database: str = SHARD) -> dict[str, Any]:
    """Return the document of a number as the database holds it."""
    return dict(stores.databases.database(database).get(number))


def family(stores: RealStores) -> None:
    """A master with a reseller with a child, and a stranger; a master may do everything."""
    trees: dict[str, list[str]] = {MASTER: [], RESELLER: [MASTER], CHILD: [MASTER, RESELLER], STRANGER: [MASTER]}
    for account, tree in trees.items():
        stores.put(
            "accounts",
            account,
            pvt_type="account",
            pvt_tree=tree,
            pvt_superduper_admin=account == MASTER,
            pvt_wnm_allow_additions=account == RESELLER,
            name="An account",
        )
        stores.create(f"account/{account[:2]}/{account[2:4]}/{account[4:]}")


class Manager:
    """A number manager, asked in few words."""

    def __init__(self, stores: RealStores, **settings: Any) -> None:
        wanted = stores.settings(**settings)
        self.manager = NumberManager(wanted, Stores(wanted))

    def ask(self, operation: str, number: str = NUMBER, auth_by: str = SYSTEM, **more: Any) -> Outcome:
        """One ask."""
        return self.manager.carry_out([OperationRequest(Operation(operation), number, auth_by, **more)])[0]

    def done(self, operation: str, number: str = NUMBER, auth_by: str = SYSTEM, **more: Any) -> dict[str, Any]:
        """One ask that has to go well; the document."""
        outcome = self.ask(operation, number, auth_by, **more)
        assert outcome.error is None, outcome.error
        assert outcome.warnings == ()
        assert outcome.document is not None
        return dict(outcome.document.fields)

    def refused(self, operation: str, number: str = NUMBER, auth_by: str = SYSTEM, **more: Any) -> str:
        """One ask that has to be refused; the error's name."""
        outcome = self.ask(operation, number, auth_by, **more)
        assert outcome.error is not None, outcome.document
        return outcome.error.error

    def created(self, *numbers: str, **more: Any) -> None:
        """Numbers in service on the child."""
        asked = {"assign_to": CHILD, "module_name": INVENTORY, **more}
        self.all_done([OperationRequest(Operation.CREATE, number, SYSTEM, **asked) for number in numbers or (NUMBER,)])

    def all_done(self, asks: Sequence[OperationRequest]) -> None:
        """All have to go well."""
        assert [outcome.error for outcome in self.manager.carry_out(asks)] == [None] * len(asks)
