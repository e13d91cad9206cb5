"""Changes in CouchDB change the answer, without an authoritative lookup."""

from dataclasses import replace
from typing import cast

import pytest

from router.numbers.kazoo_databases import REFERENCE_DATABASES
from router.numbers.normaliser import LookupNumber, Normaliser
from router.redis_store import follower_status
from router.redis_store.follower_status import FollowerStatus
from router.trust.trust import FRESH, STALE
from router.v1 import inbound_pb2 as pb
from tests.integration.conftest import Running, StartService
from tests.integration.real_stores import NUMBER, ONE, THREE, TWO, RealStores
from tests.support.waiting import eventually


@pytest.fixture
def running(stores: RealStores, start_service: StartService) -> Running:
    """A service with its follower; the databases that every lookup depends on are there."""
    stores.create("accounts", "port_requests", "system_config")
    made = start_service(with_follower=True, negative_ttl=600)
    eventually(lambda: made.service.trust.current.complete.issuperset(REFERENCE_DATABASES))
    return made


def _becomes(running: Running, result: str, number: str = NUMBER) -> None:
    eventually(lambda: running.caller.account(number) == result)


def test_number_that_appears_drops_its_negative(stores: RealStores, running: Running) -> None:
    stores.create("numbers/+1415")
    eventually(lambda: stores.complete("numbers/+1415"))
    assert running.caller.account(NUMBER) == "NUMBER_NOT_FOUND"
    eventually(lambda: stores.cached() == "nothing")
    assert running.caller.account(NUMBER) == "NUMBER_NOT_FOUND"
    stores.number()
    _becomes(running, ONE)


def test_number_that_appears_with_its_shard_drops_its_negative(stores: RealStores, running: Running) -> None:
    assert running.caller.account(NUMBER) == "NUMBER_NOT_FOUND"
    eventually(lambda: stores.cached() == "nothing")
    stores.number()
    _becomes(running, ONE)


def test_number_changes_hands(stores: RealStores, running: Running) -> None:
    for account in (ONE, TWO, THREE, ONE):
        revision = stores.number(account=account)
        _becomes(running, account)
        assert running.caller.route(NUMBER).revision == revision
        # Asked again and again, it comes from ever nearer.
        eventually(lambda: running.caller.route(NUMBER).source == pb.NEAR_CACHE)


def test_number_goes_out_of_service_and_away_and_comes_back(stores: RealStores, running: Running) -> None:
    stores.number()
    _becomes(running, ONE)
    stores.number(pvt_number_state="aging")
    _becomes(running, "NOT_IN_SERVICE")
    stores.number(account=None)
    _becomes(running, "UNASSIGNED")
    stores.number(pvt_deleted=True)
    _becomes(running, "NUMBER_NOT_FOUND")
    stores.number(pvt_type="device")
    eventually(lambda: stores.cached() == "deleted")
    assert running.caller.account(NUMBER) == "NUMBER_NOT_FOUND"
    stores.number()
    _becomes(running, ONE)
    stores.remove("numbers/+1415", NUMBER)
    _becomes(running, "NUMBER_NOT_FOUND")
    stores.number(account=TWO)
    _becomes(running, TWO)


def test_shard_that_vanishes_takes_its_answers_away(stores: RealStores, running: Running) -> None:
    stores.number()
    _becomes(running, ONE)
    stores.databases.database("numbers/+1415").drop()
    _becomes(running, "NUMBER_NOT_FOUND")


def test_account_is_disabled_and_enabled_again(stores: RealStores, running: Running) -> None:
    stores.number()
    stores.number("+14150000002", TWO)
    stores.account(ONE)
    stores.account(TWO)
    _becomes(running, ONE)
    _becomes(running, TWO, "+14150000002")
    eventually(lambda: running.caller.route(NUMBER).source == pb.NEAR_CACHE)
    for _ in range(2):
        stores.account(ONE, enabled=False)
        _becomes(running, "ACCOUNT_DISABLED")
        assert running.caller.account(NUMBER, authoritative=True) == "ACCOUNT_DISABLED"
        assert running.caller.account("+14150000002") == TWO
        stores.account(ONE)
        _becomes(running, ONE)


def test_deleted_account_document_counts_as_unknown(stores: RealStores, running: Running) -> None:
    stores.number()
    stores.account(ONE, enabled=False)
    _becomes(running, "ACCOUNT_DISABLED")
    stores.remove("accounts", ONE)
    _becomes(running, ONE)


def test_accounts_database_vanishes_and_comes_back(stores: RealStores, running: Running) -> None:
    stores.number()
    stores.account(ONE, enabled=False)
    _becomes(running, "ACCOUNT_DISABLED")
    stores.databases.database("accounts").drop()
    _becomes(running, ONE)
    stores.account(ONE, enabled=False)
    _becomes(running, "ACCOUNT_DISABLED")


def test_port_request_appears_and_is_cancelled(stores: RealStores, running: Running) -> None:
    assert running.caller.account(NUMBER) == "NUMBER_NOT_FOUND"
    stores.port("one", THREE, NUMBER, "+14150000001")
    _becomes(running, THREE)
    result = running.caller.route("+14150000001")
    assert (result.source, result.pending_port) == (pb.PORT_REQUEST, True)
    stores.port("one", THREE, NUMBER, "+14150000001", state="canceled")
    _becomes(running, "NUMBER_NOT_FOUND")
    _becomes(running, "NUMBER_NOT_FOUND", "+14150000001")


def test_two_port_requests_of_one_number_are_ambiguous_until_one_goes(stores: RealStores, running: Running) -> None:
    stores.port("one", THREE, NUMBER)
    _becomes(running, THREE)
    stores.port("two", TWO, NUMBER)
    _becomes(running, "NUMBER_NOT_FOUND")
    stores.remove("port_requests", "one")
    _becomes(running, TWO)


def test_ported_number_gets_its_document(stores: RealStores, running: Running) -> None:
    stores.port("one", THREE, NUMBER)
    _becomes(running, THREE)
    stores.number(account=TWO, pvt_number_state="port_in")
    _becomes(running, TWO)
    stores.remove("numbers/+1415", NUMBER)
    _becomes(running, THREE)


def test_port_requests_may_be_turned_off(stores: RealStores, running: Running) -> None:
    stores.port("one", THREE, NUMBER)
    _becomes(running, THREE)
    stores.configure(fetch_account_from_ports=False)
    _becomes(running, "NUMBER_NOT_FOUND")
    stores.configure(fetch_account_from_ports=True)
    _becomes(running, THREE)


def test_clusters_force_flags_make_cached_answers_anew(stores: RealStores, running: Running) -> None:
    stores.number(pvt_module_name="knm_local")
    stores.number("+14150000002", pvt_number_state="port_in")
    for number in (NUMBER, "+14150000002"):
        eventually(lambda number=number: running.caller.route(number).force_outbound)  # type: ignore[misc]
    for flag in (False, True, False):
        stores.configure(force_local_outbound=flag, force_port_in_outbound=flag)
        for number in (NUMBER, "+14150000002"):
            eventually(lambda number=number, flag=flag: running.caller.route(number).force_outbound is flag)  # type: ignore[misc]


def test_configuration_goes_away_again(stores: RealStores, running: Running) -> None:
    stores.number(pvt_module_name="knm_local")
    stores.configure(force_local_outbound=False)
    eventually(lambda: not running.caller.route(NUMBER).force_outbound)
    stores.remove("system_config", "number_manager")
    eventually(lambda: running.caller.route(NUMBER).force_outbound)


def test_clusters_converters_are_followed(stores: RealStores, running: Running) -> None:
    stores.number("+442079460018", TWO)
    assert running.caller.account("02079460018") == "NOT_RECONCILABLE"
    stores.configure(e164_converters={"^0(\\d{10})$": {"prefix": "+44"}, "^(\\+\\d+)$": {}})
    _becomes(running, TWO, "02079460018")


@pytest.mark.parametrize(
    "section", [{"force_local_outbound": "often"}, {"e164_converters": {"(": {}}}, {"reconcile_regex": "["}]
)
def test_unusable_configuration_changes_nothing(
    stores: RealStores, running: Running, section: dict[str, object]
) -> None:
    stores.number(pvt_module_name="knm_local")
    _becomes(running, ONE)
    stores.configure(**section)
    stores.number("+14150000002", TWO)
    _becomes(running, TWO, "+14150000002")
    assert running.caller.route(NUMBER).force_outbound


def test_follower_behind_a_shard_split_makes_caches_stale(stores: RealStores, start_service: StartService) -> None:
    trust = start_service(stale_after=30.0).service.trust
    status = FollowerStatus("me", 0.0, "following", 1, 1, 1, 1.0, 5, 1, database_up=True, lags={})
    for split_lag, freshness in ((0.0, FRESH), (1.0, STALE), (0.2, FRESH)):
        follower_status.publish(stores.writer.redis, stores.writer.keys, replace(status, split_lag=split_lag))
        eventually(lambda freshness=freshness: trust.current.redis is freshness)  # type: ignore[misc]


def test_answers_are_stale_exactly_when_no_follower_leads(stores: RealStores, start_service: StartService) -> None:
    stores.number()
    running = start_service(with_follower=True, stale_after=1.5)
    running.wait_ready()
    eventually(lambda: not running.caller.route(NUMBER).stale)
    assert running.service.follower is not None
    running.service.follower.stop()
    eventually(lambda: running.caller.route(NUMBER).stale)
    assert not running.caller.route(NUMBER, authoritative=True).stale


def test_cached_number_is_answered_while_couchdb_is_down(stores: RealStores, start_service: StartService) -> None:
    stores.number()
    stores.number("+14150000002", TWO)
    running = start_service(with_follower=True, stale_after=1.5, couchdb_read_timeout=0.5)
    running.wait_ready()
    eventually(lambda: stores.complete("numbers/+1415"))
    stores.couchdb.stop()
    assert running.caller.account(NUMBER) == ONE
    eventually(lambda: running.caller.route("+14150000002").stale)
    assert running.caller.account("+14150000009") == "NUMBER_DATABASE_UNAVAILABLE"
    stores.couchdb.start()
    stores.number(account=THREE)
    eventually(lambda: running.caller.account(NUMBER) == THREE, 20)
    eventually(lambda: not running.caller.route(NUMBER).stale)


def test_authoritative_sees_a_write_at_once(stores: RealStores, running: Running) -> None:
    for account in (ONE, TWO, THREE, ONE):
        stores.number(account=account)
        assert running.caller.account(NUMBER, authoritative=True) == account


def test_near_cache_keeps_nothing_of_rules_that_changed_meanwhile(stores: RealStores, running: Running) -> None:
    stores.number()
    _becomes(running, ONE)
    eventually(lambda: running.caller.route(NUMBER).source == pb.NEAR_CACHE)
    near, rules = running.service.near, running.service.rules.current

    class Overtaken:
        """The rules change just after they were looked at."""

        def e164(self, number: str, dial_plan: str) -> LookupNumber:
            found = rules.normaliser.e164(number, dial_plan)
            near.clear()
            return found

    running.service.rules.current = replace(rules, normaliser=cast("Normaliser", Overtaken()))
    assert running.caller.account("14158867900") == ONE
    assert near.by_request == {}
