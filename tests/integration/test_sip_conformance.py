"""Requirements on a stateless redirect server, one by one, over real sockets; each test names its section.

RFC 3261 unless another one is named. Further ones are in test_sip.py: 8.2.7 (ACK, CANCEL, 1xx, the To tag), 8.3 (no
redirection to the Request-URI), 18.2.2 (the port of sent-by, maddr), 18.3 (framing) and RFC 5626 4.4.1 (keep-alive).
"""

import socket
from collections.abc import Iterator

import pytest

from router.embedded import EmbeddedCouchDB
from router.server.app import Service
from tests.integration.real_stores import NUMBER, ONE, RealStores
from tests.integration.test_sip import CONTACT, Caller, headers, request
from tests.support.waiting import eventually

T1 = 0.5
"""Seconds after which a server with state would send a response again (17.1.1.1)."""


@pytest.fixture(scope="module")
def service(redis_server: str) -> Iterator[Service]:
    with EmbeddedCouchDB() as couchdb:
        stores = RealStores(couchdb, redis_server)
        stores.number(NUMBER, ONE)
        settings = stores.settings(sip_listen="127.0.0.1:0", sip_domain="example.com", sip_timeout=2.0)
        made = Service(settings, with_follower=True)
        made.start()
        eventually(lambda: made.readiness.state.name == "ready")
        yield made
        made.stop()
        stores.close()


@pytest.fixture
def caller(service: Service) -> Iterator[Caller]:
    made = Caller(service.sip.port)
    yield made
    made.socket.close()


def test_response_is_never_sent_again(caller: Caller) -> None:
    """8.2.7: a stateless server MUST NOT retransmit responses."""
    assert caller.ask(request()).startswith("SIP/2.0 302 ")

    assert caller.is_silent(2.5 * T1)


@pytest.mark.parametrize("method", ["ACK", "CANCEL"])
@pytest.mark.parametrize("more", ["Require: nothing", "Max-Forwards: 0"])
def test_ack_and_cancel_with_any_fields_are_ignored(caller: Caller, method: str, more: str) -> None:
    """8.2.7, and 8.2.2.3: Require MUST NOT be used in them, and MUST be ignored."""
    caller.send(request(method, f"sip:{NUMBER}@a", more))

    assert caller.is_silent()


def test_to_tag_of_the_request_is_left_as_it_is(caller: Caller) -> None:
    """8.2.6.2: the To field MUST equal that of a request that has a tag."""
    response = caller.ask(request(to=f"<sip:{NUMBER}@a>;tag=theirs"))

    assert headers(response, "To") == [f"<sip:{NUMBER}@a>;tag=theirs"]


@pytest.mark.parametrize("name", ["Via", "v", "VIA", "via "])
def test_vias_of_one_field_are_copied_in_their_order(caller: Caller, name: str) -> None:
    """7.3.1, 7.3.3 and 8.2.6.2: joined by commas, abbreviated, in any case; all MUST be there, in their order."""
    one, two = "SIP/2.0/UDP 127.0.0.1;rport;branch=z9hG4bKe1", "SIP/2.0/TCP far.example.com;branch=z9hG4bKe2"
    joined = request(via=f"{one} , {two}").replace(b"Via: " + one.encode(), f"{name}: {one}".encode(), 1)

    vias = [each.partition(";")[0] for each in headers(caller.ask(joined), "Via")]

    assert vias == ["SIP/2.0/UDP 127.0.0.1", "SIP/2.0/TCP far.example.com", "SIP/2.0/UDP carrier.example.com"]


def test_folded_and_abbreviated_request_is_read(caller: Caller) -> None:
    """7.3.1: names in any case, lines folded, white space around the colon; 7.3.3: compact names."""
    written = (
        f"INVITE sip:{NUMBER}@a SIP/2.0\r\n"
        "v :\r\n SIP / 2.0 / UDP 127.0.0.1\r\n\t;rport ;branch=z9hG4bKf1\r\n"
        "f: <sip:a@a>\r\n ;tag=1\r\n"
        f"t:\r\n\t<sip:{NUMBER}@a>\r\n"
        "I:1\r\n"
        "cSEQ:   7 \r\n  INVITE\r\n"
        "SUBJECT: something long enough for a response\r\n"
        "L:0\r\n\r\n"
    )

    response = caller.ask(written.encode())

    assert headers(response, "Contact") == [CONTACT]
    assert headers(response, "Call-ID") == ["1"]


@pytest.mark.parametrize("sent_by", ["proxy.example.com", "192.0.2.9", "[2001:db8::9]"])
def test_received_is_added_where_sent_by_is_another_host(caller: Caller, sent_by: str) -> None:
    """18.2.1: MUST add it where sent-by is a domain name or another address."""
    response = caller.ask(request(via=f"SIP/2.0/UDP {sent_by}:{caller.port};branch=z9hG4bKg1"))

    assert headers(response, "Via")[0].endswith(";received=127.0.0.1")


def test_callers_own_received_and_rport_are_replaced(caller: Caller) -> None:
    """18.2.1 and RFC 3581 4: they hold what the server saw."""
    response = caller.ask(request(via="SIP/2.0/UDP a;received=192.0.2.1;rport;branch=z9hG4bKh1"))

    assert headers(response, "Via")[0] == f"SIP/2.0/UDP a;rport={caller.port};branch=z9hG4bKh1;received=127.0.0.1"


def test_response_over_tcp_comes_on_its_connection(service: Service) -> None:
    """18 and 18.2.2: TCP MUST be implemented, and a response MUST go back on the connection, whatever Via says."""
    with socket.create_connection(("127.0.0.1", service.sip.port), timeout=3) as connection:
        connection.sendall(request(via="SIP/2.0/TCP 192.0.2.1:9;maddr=192.0.2.2;branch=z9hG4bKi1"))
        response = connection.recv(65535).decode()

    assert response.startswith("SIP/2.0 302 ")
    assert headers(response, "Via")[0].endswith(";received=127.0.0.1")


@pytest.mark.parametrize("length", ["Content-Length: 0\r\n", "Content-Length: 4\r\n", ""])
def test_datagram_longer_than_its_body_is_one_request(caller: Caller, length: str) -> None:
    """18.3: bytes beyond the body MUST be discarded; without Content-Length the body is the rest."""
    message = request().replace(b"Content-Length: 0\r\n", length.encode()) + b"v=0\r\n" + request()

    assert caller.ask(message).startswith("SIP/2.0 302 ")
    assert caller.is_silent()


def test_datagram_shorter_than_its_body_is_refused(caller: Caller) -> None:
    """18.3: an error MUST be generated; for a request a 400."""
    message = request().replace(b"Content-Length: 0", b"Content-Length: 9") + b"v=0\r\n"

    assert caller.ask(message).startswith("SIP/2.0 400 ")


@pytest.mark.parametrize(("method", "code"), [("REGISTER", 405), ("BYE", 405), ("UPDATE", 405), ("X", 501)])
def test_method_that_is_not_supported_gets_allow(caller: Caller, method: str, code: int) -> None:
    """8.2.1: a 405 MUST have Allow."""
    response = caller.ask(request(method))

    assert response.startswith(f"SIP/2.0 {code} ")
    assert headers(response, "Allow") == ["INVITE, ACK, CANCEL, OPTIONS"]


@pytest.mark.parametrize("method", ["INVITE", "OPTIONS"])
def test_extension_that_is_required_is_listed(caller: Caller, method: str) -> None:
    """8.2.2.3: 420, and Unsupported MUST list each."""
    response = caller.ask(request(method, f"sip:{NUMBER}@a", "Require: 100rel, one", "require: two"))

    assert response.startswith("SIP/2.0 420 ")
    assert headers(response, "Unsupported") == ["100rel, one, two"]


def test_options_say_what_is_supported(caller: Caller) -> None:
    """11.2: Allow and Accept."""
    response = caller.ask(request("OPTIONS"))

    assert response.startswith("SIP/2.0 200 ")
    assert headers(response, "Allow")
    assert headers(response, "Accept") == ["application/sdp"]


@pytest.mark.parametrize("scheme", ["sip", "SIP", "sips"])
def test_response_to_max_forwards_of_zero_is_a_redirection(caller: Caller, scheme: str) -> None:
    """16.3 has a proxy refuse it; a redirect server forwards nothing (8.3)."""
    message = request(uri=f"{scheme}:{NUMBER}@a").replace(b"Max-Forwards: 70", b"Max-Forwards: 0")

    assert headers(caller.ask(message), "Contact") == [CONTACT]
