"""A SIP caller over UDP that sends what it is given, right or wrong."""

import itertools
import re
import socket
import time
from dataclasses import dataclass, field
from typing import Self

_NUMBERS = itertools.count(1)


@dataclass(frozen=True)
class Response:
    """A response: its status, its words and its headers' lines."""

    code: int
    reason: str
    headers: list[str]
    method: str

    def values(self, name: str) -> list[str]:
        """Return the values of a header."""
        pairs = (line.partition(":") for line in self.headers)
        return [value.strip() for found, _, value in pairs if found.strip().lower() == name.lower()]


@dataclass(frozen=True)
class Dialogue:
    """The identity of one call's requests."""

    user: bytes
    number: int = field(default_factory=lambda: next(_NUMBERS))
    call_id: bytes = b""

    def owns(self, response: Response) -> bool:
        """Return whether a response belongs to this call: one to an earlier call may be retransmitted."""
        return response.values("Call-ID") == [self._id().decode("utf-8", "replace")]

    def _id(self) -> bytes:
        return self.call_id or b"call-%d" % self.number

    def request(self, method: str, port: int, *headers: str, max_forwards: int = 70, to_tag: str = "") -> bytes:
        """Build a request to a port of loopback; ACK and CANCEL have the INVITE's branch."""
        lines = [
            f"{method} sip:".encode() + self.user + f"@127.0.0.1:{port} SIP/2.0".encode(),
            f"Via: SIP/2.0/UDP 127.0.0.1:{{port}};rport;branch=z9hG4bK-{self.number}".encode(),
            b"From: <sip:carrier@127.0.0.1>;tag=caller",
            f"To: <sip:called@127.0.0.1>{to_tag and ';tag=' + to_tag}".encode(),
            b"Call-ID: " + self._id(),
            f"CSeq: 1 {method}".encode(),
            b"Contact: <sip:carrier@127.0.0.1:{port}>",
            f"Max-Forwards: {max_forwards}".encode(),
            *(header.encode() for header in headers),
            b"Content-Length: 0",
        ]
        return b"\r\n".join([*lines, b"", b""])


class Caller:
    """One UDP socket.

    Args:
        port: of the proxy.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.own_port = int(self._socket.getsockname()[1])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, request: bytes) -> None:
        """Send a request; `{port}` in it becomes this socket's."""
        self._socket.sendto(request.replace(b"{port}", b"%d" % self.own_port), ("127.0.0.1", self.port))

    def final(self, call: Dialogue, method: str = "INVITE", seconds: float = 20) -> Response:
        """Wait for the final response to a call's request."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            response = self.receive(left)
            if response is None or response.code < 200:
                continue
            if response.method == method and call.owns(response):
                return response
        raise AssertionError(f"no final response to {method} in {seconds} s")

    def wait_for_trying(self, call: Dialogue, seconds: float = 20) -> None:
        """Wait for the 100 of a call: its transaction exists from then on."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            response = self.receive(left)
            if response is not None and response.code == 100 and call.owns(response):
                return
        raise AssertionError(f"no 100 in {seconds} s")

    def next_final(self, seconds: float = 20) -> Response:
        """Return the next final response to any request."""
        while (response := self.receive(seconds)) is not None:
            if response.code >= 200:
                return response
        raise AssertionError(f"no final response in {seconds} s")

    def receive(self, seconds: float) -> Response | None:
        """Return the next response, or None where none comes in time; requests, such as a BYE, are not looked at."""
        end = time.monotonic() + seconds
        data = b""
        while not data.startswith(b"SIP/2.0 "):
            self._socket.settimeout(max(end - time.monotonic(), 0.001))
            try:
                data = self._socket.recv(65536)
            except TimeoutError:
                return None
        first, *headers = data.decode("utf-8", "replace").split("\r\n\r\n")[0].split("\r\n")
        _, code, reason = first.split(" ", 2)
        method = next(line for line in headers if line.startswith("CSeq:")).split()[-1]
        return Response(int(code), reason, headers, method)

    def ask(self, user: str, *headers: str) -> tuple[Response, float]:
        """Call a number and acknowledge the refusal; return it and the seconds that it took."""
        call, began = Dialogue(user.encode()), time.monotonic()
        self.send(call.request("INVITE", self.port, *headers))
        response = self.final(call)
        took = time.monotonic() - began
        self.acknowledge(call, response)
        return response, took

    def acknowledge(self, call: Dialogue, response: Response) -> None:
        """Send the ACK of a refusal."""
        tag = response.values("To")[0].partition(";tag=")[2]
        self.send(call.request("ACK", self.port, to_tag=tag))


def headers(message: str, name: str) -> list[str]:
    """Return the values of a header of a message that SIPp received."""
    return re.findall(rf"^{name}\s*: *(.*)$", message, re.MULTILINE | re.IGNORECASE)
