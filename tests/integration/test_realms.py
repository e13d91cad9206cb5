"""Contacts that name an account's realm: SIP and ENUM of a running service follow the account's document."""

from collections.abc import Iterator

import dns.message
import dns.query
import pytest

from router.server.app import Service
from tests.integration.real_stores import NUMBER, ONE, RealStores
from tests.integration.test_sip import Caller, headers, request
from tests.support.waiting import eventually

NAME = ".".join(reversed(NUMBER.removeprefix("+"))) + ".e164.arpa."
TEMPLATE = "sip:{number}@{realm}"


@pytest.fixture
def service(stores: RealStores) -> Iterator[Service]:
    stores.number(NUMBER, ONE)
    _realm(stores, "one.example.com")
    settings = stores.settings(
        sip_listen="127.0.0.1:0", sip_contact=TEMPLATE, enum_listen="127.0.0.1:0", enum_uri=TEMPLATE
    )
    made = Service(settings, with_follower=True)
    made.start()
    eventually(lambda: made.readiness.state.name == "ready")
    yield made
    made.stop()


def _realm(stores: RealStores, realm: str | None) -> None:
    stores.put("accounts", ONE, pvt_type="account", name="An account", **({"realm": realm} if realm else {}))


def _seen(service: Service, caller: Caller) -> tuple[str, str]:
    """The hosts that a SIP caller and a resolver are sent to."""
    (contact,) = headers(caller.ask(request()), "Contact")
    query = dns.message.make_query(NAME, "NAPTR", id=1)
    (answer,) = dns.query.udp(query, "127.0.0.1", port=service.enum.port, timeout=3).answer
    regexp: bytes = answer[0].regexp
    return contact.strip("<>").partition("@")[2], regexp.decode().strip("!").partition("@")[2]


def test_contact_follows_the_accounts_realm(stores: RealStores, service: Service) -> None:
    caller = Caller(service.sip.port)
    try:
        assert _seen(service, caller) == ("one.example.com",) * 2
        _realm(stores, "two.example.com")
        eventually(lambda: _seen(service, caller) == ("two.example.com",) * 2)
        _realm(stores, None)
        eventually(lambda: _seen(service, caller) == (f"{ONE}.did-router.invalid",) * 2)
    finally:
        caller.socket.close()


def test_prepared_response_follows_the_number(stores: RealStores, service: Service) -> None:
    caller = Caller(service.sip.port)
    other = "f" * 32
    try:
        assert _seen(service, caller) == ("one.example.com",) * 2
        stores.number(NUMBER, other)
        eventually(lambda: _seen(service, caller) == (f"{other}.did-router.invalid",) * 2)
    finally:
        caller.socket.close()
