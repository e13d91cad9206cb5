"""did-router check tells what of the cluster's own configuration can't be used."""

from typing import Any

import pytest

from router.embedded import EmbeddedCouchDB
from tests.cli.command import databases_at, run


def test_check_unknown_routable_state_is_reported(stores: tuple[str, ...]) -> None:
    result = run("check", *stores, "--set", 'routable_states=["in_service", "reservd"]')

    assert result.code == 1
    assert "BAD  routable_states: 'reservd' is no state of KAZOO: use discovery, available, " in result.out


@pytest.mark.parametrize(
    ("default", "problem"),
    [
        ({"reconcile_regex": "("}, "number_manager.default.reconcile_regex: '(' is not a regular expression"),
        ({"aging_expiry_d": -1}, "number_manager.default.aging_expiry_d is -1: it must be a whole number from 0"),
        ("x", "number_manager.default is 'x': it must be an object"),
    ],
)
def test_check_unusable_cluster_value_is_reported(default: Any, problem: str, redis_url: str) -> None:
    with EmbeddedCouchDB() as server:
        databases = databases_at(server.url)
        databases.database("system_config").create()
        databases.database("system_config").put({"_id": "number_manager", "default": default})
        result = run("check", "--couchdb-url", server.url, "--redis-url", redis_url)

    assert result.code == 1
    (line,) = [each for each in result.out.splitlines() if each.startswith("BAD")]
    assert line.startswith(f"BAD  system_config: {problem}")
    assert result.err == "", "told once"
