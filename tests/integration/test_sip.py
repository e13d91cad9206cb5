"""SIP redirect of a running service: over UDP and TCP, as switches ask."""

import re
import socket
from collections.abc import Iterator

import pytest

from router.server.app import Service
from router.settings import SettingsError
from tests.integration.real_stores import NUMBER, ONE, RealStores, stores_for_switches
from tests.support.waiting import eventually

CONTACT = f"<sip:{NUMBER}@{ONE}.example.com;user=phone>"


@pytest.fixture(scope="module")
def stores(redis_server: str) -> Iterator[RealStores]:
    with stores_for_switches(redis_server) as made:
        yield made


@pytest.fixture(scope="module")
def service(stores: RealStores) -> Iterator[Service]:
    made = Service(
        stores.settings(sip_listen="127.0.0.1:0", sip_domain="example.com", sip_timeout=2.0), with_follower=True
    )
    made.start()
    eventually(lambda: made.readiness.state.name == "ready")
    yield made
    made.stop()


class Caller:
    """A user agent with a UDP socket."""

    def __init__(self, port: int) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(3)
        self._to = ("127.0.0.1", port)

    @property
    def port(self) -> int:
        return int(self.socket.getsockname()[1])

    def send(self, message: bytes) -> None:
        self.socket.sendto(message, self._to)

    def response(self) -> str:
        """Return the next response, which RFC 3581 4 has sent from the address that was asked."""
        data, source = self.socket.recvfrom(65535)
        assert source == self._to
        return data.decode()

    def ask(self, message: bytes) -> str:
        self.send(message)
        return self.response()

    def is_silent(self, seconds: float = 0.3) -> bool:
        self.socket.settimeout(seconds)
        try:
            self.socket.recv(65535)
        except TimeoutError:
            return True
        return False


@pytest.fixture
def caller(service: Service) -> Iterator[Caller]:
    made = Caller(service.sip.port)
    yield made
    made.socket.close()


def request(
    method: str = "INVITE",
    uri: str = f"sip:{NUMBER}@router.example.com",
    *more: str,
    via: str = "SIP/2.0/UDP 127.0.0.1;rport;branch=z9hG4bKa1",
    to: str = f"<sip:{NUMBER}@router.example.com>",
) -> bytes:
    lines = [
        f"{method} {uri} SIP/2.0",
        f"Via: {via}",
        "Via: SIP/2.0/UDP carrier.example.com;branch=z9hG4bKfar;received=192.0.2.7",
        "From: Caller <sip:+441212345678@carrier.example.com>;tag=from1",
        f"To: {to}",
        "Call-ID: call-1@carrier.example.com",
        f"CSeq: 7 {method}",
        "Max-Forwards: 70",
        *more,
        "Content-Length: 0",
        "",
        "",
    ]
    return "\r\n".join(lines).encode()


def headers(response: str, name: str) -> list[str]:
    return re.findall(rf"^{name}: (.*?)\r$", response, re.MULTILINE | re.IGNORECASE)


def test_invite_is_redirected_to_the_account(caller: Caller) -> None:
    response = caller.ask(request())

    assert response.startswith("SIP/2.0 302 Moved Temporarily\r\n")
    assert headers(response, "Contact") == [CONTACT]
    assert headers(response, "X-Account-ID") == [ONE]
    assert headers(response, "X-DID-State") == ["in_service"]
    assert headers(response, "X-Pending-Port") == ["false"]


def test_response_copies_what_it_must(caller: Caller) -> None:
    """RFC 3261 8.2.6.2, 18.2.1 and RFC 3581 4."""
    response = caller.ask(request())

    assert headers(response, "Via") == [
        f"SIP/2.0/UDP 127.0.0.1;rport={caller.port};branch=z9hG4bKa1;received=127.0.0.1",
        "SIP/2.0/UDP carrier.example.com;branch=z9hG4bKfar;received=192.0.2.7",
    ]
    assert headers(response, "From") == ["Caller <sip:+441212345678@carrier.example.com>;tag=from1"]
    assert headers(response, "Call-ID") == ["call-1@carrier.example.com"]
    assert headers(response, "CSeq") == ["7 INVITE"]
    (to,) = headers(response, "To")
    assert re.fullmatch(rf"<sip:{re.escape(NUMBER)}@router.example.com>;tag=[0-9a-f]{{16}}", to)


def test_retransmission_gets_the_same_to_tag(caller: Caller) -> None:
    """RFC 3261 8.2.7: the same To tag for the same request."""
    first, again = caller.ask(request()), caller.ask(request())
    other = caller.ask(request(via="SIP/2.0/UDP 127.0.0.1;rport;branch=z9hG4bKb2"))

    assert headers(first, "To") == headers(again, "To")
    assert headers(first, "To") != headers(other, "To")


@pytest.mark.parametrize(
    ("uri", "status", "cause", "reason"),
    [
        ("sip:+14158860000@router.example.com", "404 Not Found", 1, "NUMBER_NOT_FOUND"),
        ("sip:alice@router.example.com", "404 Not Found", 1, "NOT_RECONCILABLE"),
        ("sip:+14158867903@router.example.com", "480 Temporarily Unavailable", 20, "NOT_IN_SERVICE"),
    ],
)
def test_refusal_says_why(caller: Caller, uri: str, status: str, cause: int, reason: str) -> None:
    response = caller.ask(request(uri=uri))

    assert response.startswith(f"SIP/2.0 {status}\r\n")
    assert headers(response, "Reason") == [f'Q.850;cause={cause};text="{reason}"']
    assert not headers(response, "Retry-After")


@pytest.mark.parametrize("method", ["ACK", "CANCEL"])
def test_ack_and_cancel_are_ignored(caller: Caller, method: str) -> None:
    """RFC 3261 8.2.7."""
    caller.send(request(method))

    assert caller.is_silent()


def test_no_provisional_response_is_sent(caller: Caller) -> None:
    """RFC 3261 8.2.7: a stateless server MUST NOT send 1xx, nor a response again."""
    caller.ask(request())

    assert caller.is_silent()


@pytest.mark.parametrize(
    ("message", "status", "header"),
    [
        (request("OPTIONS"), "200 OK", "Allow"),
        (request("REGISTER"), "405 Method Not Allowed", "Allow"),
        (request("FROBNICATE"), "501 Not Implemented", "Allow"),
        (request("INVITE", "http://example.com"), "416 Unsupported URI Scheme", None),
        (request("INVITE", f"sip:{NUMBER}@a", "Require: 100rel, nothing"), "420 Bad Extension", "Unsupported"),
        (request().replace(b"SIP/2.0\r\n", b"SIP/3.0\r\n", 1), "505 Version Not Supported", None),
        (request(to=f"<sip:{NUMBER}@a>;tag=x"), "481 Call/Transaction Does Not Exist", None),
        (request().replace(b"Content-Length: 0", b"Content-Length: 9"), "400 Bad Request", None),
        (request().replace(b"CSeq: 7 INVITE", b"CSeq: 7 BYE"), "400 Bad Request", None),
        (request("INVITE", "sip:\xff@a").replace("\xff".encode(), b"\xff"), "400 Bad Request", None),
    ],
)
def test_message_refused_before_a_lookup_gets_its_status(
    caller: Caller, message: bytes, status: str, header: str | None
) -> None:
    """RFC 3261 8.2.1 to 8.2.4, 18.3."""
    response = caller.ask(message)

    assert response.startswith(f"SIP/2.0 {status}")
    assert header is None or headers(response, header)


def test_request_is_never_redirected_to_itself(caller: Caller) -> None:
    """RFC 3261 8.3."""
    response = caller.ask(request(uri=CONTACT.strip("<>")))

    assert response.startswith("SIP/2.0 404 ")


@pytest.mark.parametrize(
    "noise", [b"", b"\r\n\r\n", b"\x00" * 40, b"SIP/2.0 200 OK\r\n\r\n", b"INVITE sip:a SIP/2.0\r\n"]
)
def test_message_that_cannot_be_answered_is_ignored(caller: Caller, noise: bytes) -> None:
    caller.send(noise)

    assert caller.is_silent(0.2)


def test_without_rport_the_response_goes_to_the_vias_port(caller: Caller) -> None:
    """RFC 3261 18.2.2."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        other.settimeout(3)
        port = other.getsockname()[1]

        caller.send(request(via=f"SIP/2.0/UDP host.example.com:{port};branch=z9hG4bKc3"))

        (top, *_) = headers(other.recv(65535).decode(), "Via")
    assert top.endswith(";received=127.0.0.1")


@pytest.mark.parametrize("length", [b"l: 5", b"Content-Length:\r\n 5", b"Content-Length\t:\r\n\t \r\n 5 "])
def test_tcp_frames_messages_by_their_length(service: Service, length: bytes) -> None:
    """RFC 3261 18.3, 7.3.1 (folding) and RFC 5626 4.4.1."""
    one = request().replace(b"Content-Length: 0", length) + b"v=0\r\n"
    with socket.create_connection(("127.0.0.1", service.sip.port), timeout=3) as connection:
        connection.sendall(b"\r\n\r\n")
        assert connection.recv(100) == b"\r\n"
        for part in (one[:50], one[50:-3], one[-3:] + one + request("OPTIONS")):
            connection.sendall(part)
        heard = b""
        while heard.count(b"SIP/2.0 ") < 3:
            heard += connection.recv(65535)

    assert heard.count(b"SIP/2.0 302 ") == 2
    assert heard.count(b"SIP/2.0 200 OK") == 1


@pytest.mark.parametrize("pieces", [(b"\r\r\n\r\n",), (b"\r", b"\r\n", b"\r\n"), (b"\n\r\n\r", b"\n")])
def test_ping_in_any_pieces_is_answered_once(service: Service, pieces: tuple[bytes, ...]) -> None:
    """RFC 5626 4.4.1."""
    with socket.create_connection(("127.0.0.1", service.sip.port), timeout=3) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in (*pieces, request("OPTIONS")):
            connection.sendall(piece)
        heard = b""
        while not heard.endswith(b"\r\n\r\n"):
            heard += connection.recv(65535)

    assert heard.startswith(b"\r\nSIP/2.0 200 OK\r\n")


def test_length_that_is_none_ends_a_tcp_connection(service: Service) -> None:
    """RFC 3261 18.3: where the next message begins is not known."""
    with socket.create_connection(("127.0.0.1", service.sip.port), timeout=3) as connection:
        connection.sendall(request().replace(b"Content-Length: 0", b"Content-Length: many"))
        heard = b""
        while part := connection.recv(65535):
            heard += part

    assert heard.startswith(b"SIP/2.0 400 ")


def test_address_outside_of_the_networks_gets_nothing(stores: RealStores) -> None:
    made = Service(stores.settings(sip_listen="127.0.0.1:0", sip_allowed_networks=["192.0.2.0/24"]))
    made.start()
    try:
        caller = Caller(made.sip.port)
        caller.send(request("OPTIONS"))
        assert caller.is_silent()
        assert made.observation.dropped.all() == {("sip", "not_allowed"): 1}
        caller.socket.close()
    finally:
        made.stop()


def test_request_much_shorter_than_its_response_gets_none(service: Service, caller: Caller) -> None:
    short = (
        f"INVITE tel:{NUMBER} SIP/2.0\r\nv:SIP/2.0/UDP a;rport\r\nf:<sip:a>;tag=1\r\nt:<sip:b>\r\ni:c\r\nCSeq:1 INVITE"
    )
    before = service.observation.dropped["sip", "not_sent"]

    caller.send(f"{short}\r\n\r\n".encode())

    assert caller.is_silent()
    assert service.observation.dropped["sip", "not_sent"] == before + 1


def test_response_is_sent_to_no_address_outside_of_the_networks(service: Service, caller: Caller) -> None:
    """RFC 3261 18.2.2 has it go where maddr says."""
    before = service.observation.dropped["sip", "not_sent"]

    caller.send(request(via="SIP/2.0/UDP 127.0.0.1;maddr=192.0.2.1;branch=z9hG4bKd4"))

    assert caller.is_silent()
    assert service.observation.dropped["sip", "not_sent"] == before + 1


def test_options_say_when_a_dispatcher_should_leave(stores: RealStores) -> None:
    made = Service(stores.settings(sip_listen="127.0.0.1:0", sip_max_request_rate=2))
    made.start()
    caller = Caller(made.sip.port)
    try:
        eventually(lambda: made.readiness.state.serving)
        made.announce_end()
        assert caller.ask(request("OPTIONS")).startswith("SIP/2.0 503 ")
        caller.send(request("OPTIONS"))
        caller.send(request("OPTIONS"))
        eventually(lambda: made.observation.dropped[("sip", "rate_limited")] >= 1)
    finally:
        caller.socket.close()
        made.stop()


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("sip_contact", "sip:{nobody}@example.com"),
        ("sip_contact", "http://{number}"),
        ("sip_contact", "sip:{number@example.com"),
        ("sip_allowed_networks", ["here"]),
    ],
)
def test_setting_that_can_not_be_used_is_named(stores: RealStores, setting: str, value: object) -> None:
    with pytest.raises(SettingsError, match=setting):
        Service(stores.settings(sip_listen="127.0.0.1:0", **{setting: value}))
