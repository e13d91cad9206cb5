"""Authorisation of requests, and the lock after wrong passwords."""

import base64
import time

import pytest

from router.embedded import EmbeddedCouchDB
from tests.contract.exchange import Couch, Database

NOT_ADMIN = (401, "unauthorized", "You are not a server admin.")
WRONG = (401, "unauthorized", "Name or password is incorrect.")
LOCKED = (403, "forbidden", "Account is temporarily locked due to multiple authentication failures")


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


@pytest.mark.parametrize("path", ["/", "/_up", "/_session"])
def test_open_to_all(couch: Couch, path: str) -> None:
    assert couch.get(path, authenticated=False).status == 200


@pytest.mark.parametrize("path", ["/_all_dbs", "/_dbs_info", "/_db_updates"])
def test_server_pages_without_login_are_for_administrators(couch: Couch, path: str) -> None:
    assert couch.get(path, authenticated=False).refusal == NOT_ADMIN


def test_databases_are_closed_to_strangers(database: Database) -> None:
    get = database.couch.get
    refused = (401, "unauthorized", "You are not authorized to access this db.")
    for path in ("", "/_changes", "/_all_docs", "/%2B1415"):
        assert get(database.path + path, authenticated=False).refusal == refused
    assert database.couch.put(database.path, authenticated=False).refusal == NOT_ADMIN
    assert database.couch.delete(database.path, authenticated=False).refusal == NOT_ADMIN


def test_unknown_user_is_refused_everywhere(couch: Couch) -> None:
    for path in ("/", "/_up", "/_all_dbs"):
        answer = couch.get(path, authenticated=False, headers=basic("nobody-of-that-name", "x"))
        assert answer.refusal == WRONG


def test_session_names_the_user_and_its_roles(couch: Couch) -> None:
    assert couch.get("/_session").json["userCtx"]["roles"] == ["_admin"]
    assert couch.get("/_session", authenticated=False).json["userCtx"] == {"name": None, "roles": []}


def test_five_wrong_passwords_lock_the_account_for_the_right_one_too(
    own_server: EmbeddedCouchDB, own_couch: Couch
) -> None:
    for _ in range(5):
        answer = own_couch.get("/_all_dbs", authenticated=False, headers=basic("admin", "wrong"))
        assert answer.refusal == WRONG
    assert own_couch.get("/_all_dbs").refusal == LOCKED
    assert own_couch.get("/", authenticated=False).status == 200
    time.sleep(0.6)  # this server locks for half a second, a real one for five minutes
    assert own_couch.get("/_all_dbs").status == 200


def test_fewer_wrong_passwords_do_not(own_couch: Couch) -> None:
    for _ in range(4):
        own_couch.get("/_all_dbs", authenticated=False, headers=basic("admin", "wrong"))
    assert own_couch.get("/_all_dbs").status == 200
