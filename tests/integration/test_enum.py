"""ENUM of a running service, read by dnspython."""

import socket
from collections.abc import Callable, Iterator

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.query
import dns.rcode
import dns.rdatatype
import pytest

from router.server.app import Service
from router.settings import SettingsError
from tests.integration.real_stores import NUMBER, ONE, RealStores, stores_for_switches
from tests.support.waiting import eventually

NAME = ".".join(reversed(NUMBER.removeprefix("+"))) + ".e164.arpa."
REGEX = f"!^.*$!sip:{NUMBER}@{ONE}.example.com;user=phone!"


@pytest.fixture(scope="module")
def stores(redis_server: str) -> Iterator[RealStores]:
    with stores_for_switches(redis_server) as made:
        yield made


@pytest.fixture(scope="module")
def service(stores: RealStores) -> Iterator[Service]:
    settings = stores.settings(
        enum_listen="127.0.0.1:0",
        enum_domain="example.com",
        enum_timeout=2.0,
        enum_zones=["e164.arpa", "enum.example.com"],
    )
    made = Service(settings, with_follower=True)
    made.start()
    eventually(lambda: made.readiness.state.name == "ready")
    yield made
    made.stop()


def ask(port: int, name: str = NAME, kind: str = "NAPTR", *, tcp: bool = False, **more: object) -> dns.message.Message:
    query = dns.message.make_query(name, kind, **more)  # type: ignore[arg-type]
    send = dns.query.tcp if tcp else dns.query.udp
    return send(query, "127.0.0.1", port=port, timeout=3)


@pytest.mark.parametrize("tcp", [False, True])
@pytest.mark.parametrize("name", [NAME, NAME.replace("e164.arpa", "enum.example.com")])
def test_number_has_a_record_that_names_its_account(service: Service, name: str, *, tcp: bool) -> None:
    response = ask(service.enum.port, name, tcp=tcp)

    assert response.rcode() == dns.rcode.NOERROR
    assert response.flags & dns.flags.AA
    (answer,) = response.answer
    assert (answer.name, answer.ttl) == (dns.name.from_text(name), 0)
    (record,) = answer
    assert (record.order, record.preference, record.flags, record.service) == (100, 10, b"u", b"E2U+sip")
    assert (record.regexp, record.replacement) == (REGEX.encode(), dns.name.root)


def test_case_of_a_question_is_kept(service: Service) -> None:
    """Resolvers vary it against forged responses (0x20)."""
    name = NAME.replace("e164.arpa", "E164.aRPa")

    response = ask(service.enum.port, name)

    assert str(response.question[0].name) == name
    assert response.answer


@pytest.mark.parametrize(
    ("number", "reason"),
    [("14158860000", "NUMBER_NOT_FOUND"), ("14158867903", "NOT_IN_SERVICE"), ("1415", "NOT_RECONCILABLE")],
)
def test_refusal_is_no_record_and_says_why_to_people(service: Service, number: str, reason: str) -> None:
    response = ask(service.enum.port, ".".join(reversed(number)) + ".e164.arpa.", use_edns=0)

    assert (response.rcode(), response.answer) == (dns.rcode.NOERROR, [])
    assert response.authority[0].rdtype == dns.rdatatype.SOA
    assert response.authority[0][0].minimum == 1
    (error,) = (option for option in response.options if isinstance(option, dns.edns.EDEOption))
    assert error.text == reason


@pytest.mark.parametrize(
    ("name", "kind", "rcode", "answers"),
    [
        ("e164.arpa.", "SOA", "NOERROR", 1),
        ("e164.arpa.", "NAPTR", "NOERROR", 0),
        (NAME, "A", "NOERROR", 0),
        ("x.1.e164.arpa.", "NAPTR", "NOERROR", 0),
        ("1.2.3.4.5.6.7.8.9.0.1.2.3.4.5.6.e164.arpa.", "NAPTR", "NOERROR", 0),
        ("example.org.", "NAPTR", "REFUSED", 0),
        (".", "NS", "REFUSED", 0),
    ],
)
def test_each_name_and_type_has_its_response(service: Service, name: str, kind: str, rcode: str, answers: int) -> None:
    response = ask(service.enum.port, name, kind)

    assert (dns.rcode.to_text(response.rcode()), len(response.answer)) == (rcode, answers)
    assert bool(response.flags & dns.flags.AA) == (rcode == "NOERROR")


def test_another_class_is_refused(service: Service) -> None:
    assert ask(service.enum.port, "version.bind.", "TXT", rdclass="CH").rcode() == dns.rcode.REFUSED


def test_another_opcode_is_not_implemented(service: Service) -> None:
    query = dns.message.make_query(NAME, "SOA")
    query.set_opcode(dns.opcode.NOTIFY)

    response = _raw(service.enum.port, query.to_wire())

    assert response[3] & 0xF == dns.rcode.NOTIMP
    assert not dns.message.from_wire(response).additional


@pytest.mark.parametrize(
    ("change", "rcode"),
    [
        (lambda wire: wire[:2] + b"\x20" + wire[3:], dns.rcode.NOTIMP),
        (lambda wire: wire[:2] + b"\x28" + wire[3:5] + b"\0" + wire[6:12] + wire[-11:], dns.rcode.NOTIMP),
        (lambda wire: wire[:11] + b"\2" + wire[12:] + wire[-11:], dns.rcode.FORMERR),  # two OPT records
        (  # an authority record, whose name is a pointer
            lambda wire: wire[:9] + b"\1" + wire[10:-11] + b"\xc0\x0c\0\6\0\1" + b"\0" * 6 + wire[-11:],
            dns.rcode.FORMERR,
        ),
        (lambda wire: wire[:-1] + b"\6\0\x0a\0\2xx", dns.rcode.FORMERR),  # a malformed cookie
        (lambda wire: wire[:-1] + b"\6\0\x64\0\x09xx", dns.rcode.FORMERR),  # an option beyond the record
    ],
)
def test_refused_query_with_edns_has_a_response_with_edns(
    service: Service, change: Callable[[bytes], bytes], rcode: int
) -> None:
    """RFC 6891 6.1.1: wherever its OPT record can be found."""
    wire = change(dns.message.make_query(NAME, "NAPTR", use_edns=0).to_wire())

    response = dns.message.from_wire(_raw(service.enum.port, wire))

    assert (response.rcode(), response.edns, response.payload) == (rcode, 0, 1232)


def _raw(port: int, query: bytes, seconds: float = 3) -> bytes:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        asker.settimeout(seconds)
        asker.sendto(query, ("127.0.0.1", port))
        return asker.recv(65535)


def test_another_version_of_edns_is_badvers(service: Service) -> None:
    response = ask(service.enum.port, use_edns=1)

    assert (response.rcode(), response.answer) == (dns.rcode.BADVERS, [])
    assert response.edns == 0


def test_unknown_options_are_ignored_and_cookies_answered(service: Service) -> None:
    cookie = dns.edns.CookieOption(b"8 bytes.", b"")
    options = [dns.edns.GenericOption("100", b"sip:x@example.com"), cookie]

    response = ask(service.enum.port, use_edns=0, options=options)

    assert response.answer
    (option,) = response.options
    assert isinstance(option, dns.edns.CookieOption)
    assert (option.client, len(option.server)) == (b"8 bytes.", 16)


def test_first_cookie_counts(service: Service) -> None:
    """RFC 7873 5.2: the others are ignored, malformed ones too."""
    cookies = [dns.edns.GenericOption("COOKIE", each) for each in (b"1st one.", b"2nd one.", b"short")]

    response = ask(service.enum.port, use_edns=0, options=cookies)

    (option,) = response.options
    assert isinstance(option, dns.edns.CookieOption)
    assert option.client == b"1st one."


@pytest.mark.parametrize("do", [True, False])
@pytest.mark.parametrize("name", [NAME, "example.org."])
def test_dnssec_ok_is_copied(service: Service, name: str, *, do: bool) -> None:
    """RFC 3225 3."""
    response = ask(service.enum.port, name, use_edns=0, want_dnssec=do)

    assert bool(response.ednsflags & dns.flags.DO) is do


@pytest.mark.parametrize("cookie", [b"short", b"8 bytes.odd", b"x" * 41])
def test_malformed_cookie_is_formerr(service: Service, cookie: bytes) -> None:
    """RFC 7873 5.2.2."""
    response = ask(service.enum.port, use_edns=0, options=[dns.edns.GenericOption("COOKIE", cookie)])

    assert response.rcode() == dns.rcode.FORMERR


@pytest.mark.parametrize(
    "change",
    [
        lambda wire: wire[:12],  # the header alone, which promises a question
        lambda wire: wire[:4] + b"\0\0" + wire[6:12],  # no question
        lambda wire: wire[:4] + b"\0\2" + wire[6:],  # two questions
        lambda wire: wire[:12] + b"\xc0\x0c" + wire[-4:],  # a pointer to itself
        lambda wire: wire[:12] + (b"\x3f" + b"a" * 63) * 3 + b"\x3e" + b"a" * 62 + wire[-5:],  # 256 bytes of name
        lambda wire: wire[:-3],
    ],
)
def test_malformed_query_is_formerr(service: Service, change: object) -> None:
    wire = dns.message.make_query(NAME, "NAPTR", use_edns=-1).to_wire()

    response = _raw(service.enum.port, change(wire))  # type: ignore[operator]

    assert (response[:2], response[3] & 0xF) == (wire[:2], dns.rcode.FORMERR)
    assert not response[2] & 0x04  # AA


def test_responses_and_noise_get_nothing(service: Service) -> None:
    query = dns.message.make_query(NAME, "NAPTR")
    response = dns.message.make_response(query).to_wire()

    for noise in (b"", b"\0" * 11, response):
        with pytest.raises(TimeoutError):
            _raw(service.enum.port, noise, seconds=0.2)


def test_queries_over_one_tcp_connection_are_all_answered(service: Service) -> None:
    wire = dns.message.make_query(NAME, "NAPTR").to_wire()
    framed = len(wire).to_bytes(2, "big") + wire
    with socket.create_connection(("127.0.0.1", service.enum.port), timeout=3) as connection:
        connection.sendall(framed + framed[:7])
        connection.sendall(framed[7:] + framed)
        heard = b""
        while heard.count(b"E2U+sip") < 3:
            heard += connection.recv(65535)

    assert heard.count(REGEX.encode()) == 3


def _running(stores: RealStores, **settings: object) -> Service:
    made = Service(stores.settings(enum_listen="127.0.0.1:0", enum_timeout=2.0, **settings))
    made.start()
    return made


def test_refusal_can_be_a_uri(stores: RealStores) -> None:
    made = _running(stores, enum_refusals="uri", enum_domain="example.com", enum_ttl=30)
    try:
        name = ".".join(reversed("14158867903")) + ".e164.arpa."
        eventually(lambda: bool(ask(made.enum.port, name).answer))
        (answer,) = ask(made.enum.port, name).answer
    finally:
        made.stop()

    assert answer.ttl == 30
    assert answer[0].regexp == b"!^.*$!sip:480@not-in-service.refused.example.com!"


def test_addresses_outside_of_the_networks_are_refused(stores: RealStores) -> None:
    made = _running(stores, enum_allowed_networks=["192.0.2.0/24"])
    try:
        assert ask(made.enum.port).rcode() == dns.rcode.REFUSED
    finally:
        made.stop()


def test_beyond_the_rate_a_response_is_truncated(stores: RealStores) -> None:
    made = _running(stores, enum_max_request_rate=2)
    try:
        responses = [ask(made.enum.port) for _ in range(6)]
        over_tcp = ask(made.enum.port, tcp=True)
    finally:
        made.stop()

    truncated = [each for each in responses if each.flags & dns.flags.TC]
    assert len(truncated) >= 3
    assert not any(each.answer for each in truncated)
    assert not over_tcp.flags & dns.flags.TC


def test_unavailable_database_is_servfail(stores: RealStores) -> None:
    """A resolver then asks its next server."""
    settings = stores.settings(enum_listen="127.0.0.1:0", couchdb_url="http://127.0.0.1:1", redis_prefix="apart:")
    made = Service(settings)
    made.start()
    try:
        response = ask(made.enum.port, use_edns=0)
    finally:
        made.stop()

    assert (response.rcode(), response.answer) == (dns.rcode.SERVFAIL, [])
    assert not response.flags & dns.flags.AA


@pytest.mark.parametrize(
    ("setting", "value"),
    [("enum_uri", "sip:{nobody}@example.com"), ("enum_zones", [""]), ("enum_zones", []), ("enum_domain", "a b")],
)
def test_setting_that_can_not_be_used_is_named(stores: RealStores, setting: str, value: object) -> None:
    with pytest.raises(SettingsError, match=setting):
        Service(stores.settings(enum_listen="127.0.0.1:0", **{setting: value}))
