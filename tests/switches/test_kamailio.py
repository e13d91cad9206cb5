"""The documentation's Kamailio, really run: SIPp and a raw caller before it, SIPp behind it, a real did-router."""

import re
from collections.abc import Callable

import pytest

from tests.cli.command import ACCOUNTS, NOWHERE, SERVE, Running, Start, serving
from tests.support.waiting import eventually
from tests.switches.conftest import StartProxy, StartSipp
from tests.switches.kamailio import Kamailio, why_not
from tests.switches.ports import free_port, has_read_all
from tests.switches.sip import Caller, Dialogue, headers

OWNED = "4158867900"
UNKNOWN = "+14158860000"
NOT_UTF8 = b"+1415886\xff\xfe0"

Freeze = Callable[[bool], None]
pytestmark = pytest.mark.skipif(bool(why_not()), reason=str(why_not()))


@pytest.mark.parametrize(
    ("dialled", "account", "pending"), [(OWNED, ACCOUNTS[0], False), ("+14158867903", ACCOUNTS[4], True)]
)
def test_call_is_relayed_with_exactly_our_headers(
    proxy: Kamailio, start_sipp: StartSipp, next_hop: int, dialled: str, account: str, *, pending: bool
) -> None:
    callee = start_sipp("callee", "-p", str(next_hop))
    caller = start_sipp("caller", "-p", str(free_port()), "-s", dialled, f"127.0.0.1:{proxy.port}")
    caller.finish()
    callee.finish()

    (invite,) = callee.received("INVITE")
    assert invite.startswith(f"INVITE sip:+1{dialled[-10:]}@")
    assert headers(invite, "X-Account-ID") == [account]
    assert headers(invite, "X-Pending-Port") == (["true"] if pending else [])
    assert headers(invite, "Route") == []
    (bye,) = callee.received("BYE")
    assert headers(bye, "X-Account-ID") == []
    assert len(callee.received("ACK")) == 1


def test_call_cancelled_while_it_rings_ends_with_487(caller: Caller, start_sipp: StartSipp, next_hop: int) -> None:
    callee = start_sipp("cancelled_callee", "-p", str(next_hop))
    call = Dialogue(OWNED.encode())
    caller.send(call.request("INVITE", caller.port))
    eventually(lambda: callee.received("INVITE"))
    caller.send(call.request("CANCEL", caller.port))
    cancelled, refused = caller.final(call, "CANCEL"), caller.final(call)
    caller.acknowledge(call, refused)
    callee.finish()

    assert (cancelled.code, refused.code) == (200, 487)


def test_call_cancelled_during_its_lookup_reaches_no_callee(
    caller: Caller, freeze: Freeze, start_sipp: StartSipp, next_hop: int
) -> None:
    callee = start_sipp("callee", "-p", str(next_hop))
    call = Dialogue(OWNED.encode())
    freeze(True)
    caller.send(call.request("INVITE", caller.port))
    caller.wait_for_trying(call)
    caller.send(call.request("CANCEL", caller.port))
    cancelled, refused = caller.final(call, "CANCEL"), caller.final(call)
    freeze(False)
    caller.acknowledge(call, refused)
    eventually(lambda: caller.ask(UNKNOWN)[0].code == 404, 60)  # the cancelled call's lookup has ended, too

    assert (cancelled.code, refused.code) == (200, 487)
    assert callee.received("INVITE") == []


@pytest.mark.parametrize(
    ("dialled", "code", "reason"),
    [
        (UNKNOWN, 404, "Not Found"),
        ("+14158867905", 404, "Not Found"),
        ("+14158867906", 480, "Temporarily Unavailable"),
        ("+14158867904", 480, "Temporarily Unavailable"),
    ],
)
def test_refused_call_gets_its_status(caller: Caller, dialled: str, code: int, reason: str) -> None:
    response, _ = caller.ask(dialled)

    assert (response.code, response.reason) == (code, reason)
    assert response.values("Retry-After") == []
    assert caller.receive(1) is None


def test_number_whose_database_is_away_gets_503(start: Start, redis_url: str, start_proxy: StartProxy) -> None:
    away = serving(start(*SERVE, "--couchdb-url", NOWHERE, "--redis-url", redis_url))
    proxy = start_proxy(away.target, deadline=5, children=1)
    with Caller(proxy.port) as caller:
        response, _ = caller.ask(OWNED)

    assert (response.code, response.reason) == (503, "Service Unavailable")
    assert response.values("Retry-After") == []
    proxy.log.wait_for("NUMBER_DATABASE_UNAVAILABLE")


def test_unresolvable_next_hop_gets_500(start_proxy: StartProxy, service: Running) -> None:
    proxy = start_proxy(service.target, deadline=5, children=1, hop="sip:switch.invalid")
    with Caller(proxy.port) as caller:
        response, _ = caller.ask(OWNED)

    assert response.code == 500


def test_retransmission_is_looked_up_once(proxy: Kamailio, caller: Caller, freeze: Freeze) -> None:
    call = Dialogue(UNKNOWN.encode())
    freeze(True)  # so that they find the workers while the first of them asks
    for _ in range(4):
        caller.send(call.request("INVITE", caller.port))
    eventually(lambda: has_read_all(caller.port))
    freeze(False)
    first = caller.final(call)
    caller.send(call.request("INVITE", caller.port))
    again = caller.final(call)
    caller.acknowledge(call, again)

    assert (first.code, again.code) == (404, 404)
    assert first.values("To") == again.values("To")
    proxy.log.wait_for(f"call-{call.number}: NUMBER_NOT_FOUND")
    assert len(proxy.log.matching(f"call-{call.number}: ")) == 1


def test_retransmission_of_a_relayed_call_is_looked_up_once(
    proxy: Kamailio, caller: Caller, service: Running, start_sipp: StartSipp, next_hop: int
) -> None:
    callee = start_sipp("cancelled_callee", "-p", str(next_hop))
    before = lookups(service)
    call = Dialogue(OWNED.encode())
    caller.send(call.request("INVITE", caller.port))
    eventually(lambda: callee.received("INVITE"))
    for _ in range(3):
        caller.send(call.request("INVITE", caller.port))
    eventually(lambda: has_read_all(caller.port))
    caller.send(call.request("CANCEL", caller.port))
    caller.acknowledge(call, caller.final(call))
    callee.finish()

    assert lookups(service) == before + 1
    assert len(callee.received("INVITE")) == 1


@pytest.mark.parametrize(
    ("method", "tag", "max_forwards", "code"),
    [
        ("OPTIONS", "", 70, 200),
        ("OPTIONS", "", 0, 483),
        ("INVITE", "", 0, 483),
        ("REGISTER", "", 70, 405),
        ("BYE", "of-no-call", 70, 404),
        ("INVITE", "of-no-call", 70, 404),
        ("CANCEL", "", 70, 481),
    ],
)
def test_request_that_is_no_new_call_makes_no_lookup(
    caller: Caller, service: Running, method: str, tag: str, max_forwards: int, code: int
) -> None:
    before = lookups(service)
    call = Dialogue(OWNED.encode())
    caller.send(call.request(method, caller.port, max_forwards=max_forwards, to_tag=tag))

    assert caller.final(call, method).code == code
    assert lookups(service) == before


@pytest.mark.parametrize(("tag", "max_forwards"), [("", 70), ("of-no-call", 70), ("", 0), ("of-no-call", 0)])
def test_ack_is_never_answered(caller: Caller, tag: str, max_forwards: int) -> None:
    caller.send(Dialogue(OWNED.encode()).request("ACK", caller.port, max_forwards=max_forwards, to_tag=tag))

    assert caller.receive(1) is None


def test_bytes_that_are_not_utf8(proxy: Kamailio, caller: Caller) -> None:
    call = Dialogue(NOT_UTF8)
    caller.send(call.request("INVITE", caller.port))
    bad_uri = caller.final(call)
    call = Dialogue(UNKNOWN.encode(), call_id=b"call-\xff\xfe")
    caller.send(call.request("INVITE", caller.port))
    bad_call_id = caller.final(call)
    caller.acknowledge(call, bad_call_id)

    assert (bad_uri.code, bad_uri.reason) == (400, "Bad Request-URI")
    assert bad_call_id.code == 404


def test_frozen_router_costs_three_deadlines(start_proxy: StartProxy, service: Running, freeze: Freeze) -> None:
    proxy = start_proxy(service.target, children=1)  # the example's own deadline of 200 ms
    with Caller(proxy.port) as caller:
        eventually(lambda: caller.ask(UNKNOWN)[0].code == 404, seconds=60)
        freeze(True)
        slow = [caller.ask(UNKNOWN) for _ in range(3)]
        quick = [caller.ask(UNKNOWN) for _ in range(3)]
        freeze(False)
        eventually(lambda: caller.ask(UNKNOWN)[0].code == 404, seconds=60)

    assert {response.code for response, _ in slow + quick} == {503}
    assert {value for response, _ in slow + quick for value in response.values("Retry-After")} == set()
    assert all(0.19 < took < 1.5 for _, took in slow)
    assert min(took for _, took in quick) < 0.19
    eventually(lambda: len(proxy.log.matching("DEADLINE_EXCEEDED")) >= 3)
    proxy.log.wait_for("the circuit breaker is open")


def lookups(service: Running) -> float:
    """Return how many lookups a service has had, by their outcomes."""
    page = service.page("/metrics")
    return sum(map(float, re.findall(r"^did_router_lookups_total\{.*\} (\S+)$", page, re.MULTILINE)))
