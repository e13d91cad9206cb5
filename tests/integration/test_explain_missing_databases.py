"""Explain tells a missing document from a missing database."""

from tests.integration.conftest import StartService
from tests.integration.real_stores import NUMBER, ONE, RealStores

SHARD = "numbers/+1415"


def test_explain_of_a_missing_database_says_so(stores: RealStores, start_service: StartService) -> None:
    caller = start_service().caller

    missing = caller.explain(NUMBER).number_database
    stores.create(SHARD)
    empty = caller.explain(NUMBER).number_database

    assert (missing.present, missing.error) == (False, "")
    assert missing.detail == f"no document {NUMBER}: the database {SHARD} does not exist"
    assert empty.detail == f"no document {NUMBER} in {SHARD}"


def test_explain_of_an_account_without_the_accounts_database_says_so(
    stores: RealStores, start_service: StartService
) -> None:
    stores.number(NUMBER)
    caller = start_service().caller

    assert caller.explain(NUMBER).account.detail == f"{ONE}: the database accounts does not exist"
