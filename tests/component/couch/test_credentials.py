"""Wrong passwords: sent once, by all clients and processes together, so that the account is not locked."""

import threading
import time

import pytest

from router.couch.client import CouchClient
from router.couch.errors import (
    CouchRefused,
    CouchUnavailable,
    WrongPasswordError,
)
from router.couch.server import CouchServer
from router.embedded import EmbeddedCouchDB
from tests.integration.relay import Relay

LONG = 60.0


def _refused(url: str, outcomes: list[Exception]) -> None:
    try:
        CouchServer(CouchClient(url, timeout=5.0)).names()
    except Exception as problem:  # noqa: BLE001 - told to the test
        outcomes.append(problem)


def test_wrong_password_is_sent_once_even_from_many_threads(server: EmbeddedCouchDB) -> None:
    with Relay(server.url.replace("password", "wr0ng-secret")) as relay:
        couch = CouchClient(relay.url, timeout=5.0)
        relay.hold()
        outcomes: list[Exception] = []

        def ask() -> None:
            try:
                CouchServer(couch).names()
            except Exception as problem:  # noqa: BLE001 - told to the test
                outcomes.append(problem)

        threads = [threading.Thread(target=ask) for _ in range(16)]
        for thread in threads:
            thread.start()
        relay.release()
        for thread in threads:
            thread.join()
        assert [type(each) for each in outcomes] == [WrongPasswordError] * 16
        assert len(relay.seen) == 1
        assert all("wr0ng-secret" not in str(each) for each in outcomes)
        assert "admin" in str(outcomes[0])


def test_refusal_stops_every_client_of_that_server(server: EmbeddedCouchDB) -> None:
    with Relay(server.url.replace("password", "wrong")) as relay:
        couch = CouchClient(relay.url, timeout=5.0)
        with pytest.raises(CouchRefused):
            couch.request("GET", ["_all_dbs"])
        for other in (couch, couch.with_timeout(1.0)):
            with pytest.raises(CouchRefused):
                other.request("GET", ["_all_dbs"])
            with pytest.raises(CouchRefused):
                other.open_feed(["_db_updates"], feed="continuous", heartbeat=500)
        assert len(relay.seen) == 1


def test_right_password_still_works_after_a_refused_one(server: EmbeddedCouchDB) -> None:
    outcomes: list[Exception] = []
    for _ in range(3):
        _refused(server.url.replace("password", "wrong"), outcomes)
    assert [type(each) for each in outcomes] == [WrongPasswordError] * 3
    assert CouchServer(CouchClient(server.url, timeout=5.0)).names("numbers/") == []


def test_threads_go_side_by_side_once_the_password_proved_right(server: EmbeddedCouchDB) -> None:
    with Relay(server.url) as relay:
        databases = CouchServer(CouchClient(relay.url, timeout=5.0))
        databases.names()
        relay.hold()
        threads = [threading.Thread(target=databases.names) for _ in range(8)]
        for thread in threads:
            thread.start()
        end = time.monotonic() + 10
        while relay.count("GET /_all_dbs") < 9 and time.monotonic() < end:
            time.sleep(0.01)
        arrived = relay.count("GET /_all_dbs")
        relay.release()
        for thread in threads:
            thread.join()
        assert arrived == 9


def test_while_the_first_answer_is_awaited_others_give_up_in_time(server: EmbeddedCouchDB) -> None:
    with Relay(server.url) as relay:
        couch = CouchClient(relay.url, timeout=LONG)
        relay.hold()
        first = threading.Thread(target=CouchServer(couch).names)
        first.start()
        end = time.monotonic() + 10
        while not relay.seen and time.monotonic() < end:
            time.sleep(0.01)
        with pytest.raises(CouchUnavailable, match="first request"):
            CouchServer(couch.with_timeout(0.1)).names()
        relay.release()
        first.join()
        assert CouchServer(couch).names("numbers/") == []


def test_credentials_with_separators_in_them_are_sent_as_they_are() -> None:
    with EmbeddedCouchDB(user="admin@x", password="p:a@s/s%w?ör#d") as server:
        assert "p%3Aa%40s%2Fs%25w%3F" in server.url
        databases = CouchServer(CouchClient(server.url, timeout=5.0))
        databases.database("numbers/+1415").create()
        assert databases.names("numbers/") == ["numbers/+1415"]


def test_password_refused_to_one_process_is_not_sent_by_another(server: EmbeddedCouchDB) -> None:
    with Relay(server.url.replace("password", "wr0ng-again")) as relay:
        for _ in range(6):
            with pytest.raises(WrongPasswordError, match="not tried again"):
                CouchServer(CouchClient(relay.url, timeout=5.0)).names()
        assert len(relay.seen) == 1


def test_right_password_without_an_admins_rights_closes_nothing(server: EmbeddedCouchDB) -> None:
    anonymous = CouchClient(f"http://127.0.0.1:{server.port}", timeout=5.0)
    with pytest.raises(CouchRefused, match="server admin"):
        CouchServer(anonymous).names()
    assert CouchServer(anonymous).version()
