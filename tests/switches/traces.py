"""The messages of one call from the carrier's INVITE to the next hop's, as people read them and alike in each run."""

import json
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import dns.flags
import dns.message
from google.protobuf import text_format

from router.v1 import inbound_pb2 as pb
from tests.switches.capture import Packet
from tests.switches.routers import Routers

_SIP_FIELDS = ("X-Account-ID", "X-Pending-Port", "Contact", "X-DID-State", "Reason")
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA_FRAME = 0
_FRAME_HEADER, _MESSAGE_HEADER = 9, 5
"""Bytes before an HTTP/2 frame's payload, and before a gRPC message."""
_WIDTH = 90


class Tracer:
    """Renders packets.

    Args:
        names: of ports; every other one is the switch's.
        agi: port of a FastAGI server; it is what asks then.
    """

    def __init__(self, routers: Routers, names: Mapping[int, str], switch: str, agi: int | None) -> None:
        self._routers = routers
        self._ours = dict.fromkeys((*routers.grpc, *routers.http, *routers.sip, *routers.enum), "did-router")
        self._names = {**names, **self._ours} | ({agi: "FastAGI"} if agi else {})
        self._switch = switch
        self._agi = agi
        self._has_dns_answer = False
        self._second = {routers.grpc[1], routers.http[1]}

    def render(self, packets: Sequence[Packet]) -> str:
        """Return a line or more for each message, up to the INVITE to the next hop.

        Empty where none reached it, or where the second router was asked.
        """
        lines: list[str] = []
        for packet in _joined(packets):
            if {packet.source, packet.target} & self._second:
                return ""
            for text in self._messages(packet):
                first, *more = [self._with_names(line) for line in text.splitlines()]
                who = f"{self._name(packet.source, packet)} → {self._name(packet.target, packet)}"
                lines += [f"{who:24} {first}", *(f"{'':24} {line}".rstrip() for line in more)]
                if "→ next hop" in who and first.startswith("INVITE "):
                    return "\n".join(lines) + "\n"
        return ""

    def _name(self, port: int, packet: Packet) -> str:
        if port in self._names:
            return self._names[port]
        asks_by_agi = self._agi is not None and {packet.source, packet.target} & {*self._routers.grpc}
        return "FastAGI" if asks_by_agi else self._switch

    def _with_names(self, line: str) -> str:
        def name(found: re.Match[str]) -> str:
            return self._names.get(int(found[1]), self._switch).lower().replace(" ", "-") + ".example"

        return re.sub(r"127\.0\.0\.1:(\d+)", name, line)

    def _messages(self, packet: Packet) -> Iterator[str]:
        ports = {packet.source, packet.target}
        if ports & {self._routers.grpc[0]}:
            yield from _grpc(packet, self._routers.grpc[0])
        elif ports & {self._routers.http[0]}:
            yield _http(packet.data.decode())
        elif ports & {*self._routers.enum}:
            yield from self._dns(packet)
        elif self._agi in ports:
            yield from _agi(packet.data.decode())
        elif not ports & {*self._routers.http, *self._routers.grpc}:
            yield from _sip(packet.data.decode())

    def _dns(self, packet: Packet) -> Iterator[str]:
        """dnsmasq asks both routers: one of the questions, and the first of the answers."""
        message = dns.message.from_wire(packet.data)
        if not message.flags & dns.flags.QR:
            if packet.target == self._routers.enum[0]:
                yield message.question[0].to_text()
        elif not self._has_dns_answer:
            self._has_dns_answer = True
            yield "\n".join(record.to_text() for record in message.answer)


def _joined(packets: Sequence[Packet]) -> list[Packet]:
    """Join the segments of one message: its head and its body may come in two."""
    joined: list[Packet] = []
    for packet in packets:
        last = joined[-1] if joined else None
        if last and packet.protocol == "TCP" and (last.source, last.target) == (packet.source, packet.target):
            joined[-1] = replace(last, data=last.data + packet.data)
        else:
            joined.append(packet)
    return joined


def _sip(text: str) -> Iterator[str]:
    first, *headers = text.partition("\r\n\r\n")[0].split("\r\n")
    if not re.search(r"^CSeq: \d+ INVITE$", "\n".join(headers), re.MULTILINE) or first.startswith("ACK "):
        return
    shown = [line for line in headers if line.partition(":")[0].strip() in _SIP_FIELDS]
    if not first.startswith("SIP/2.0 302"):
        shown = [line for line in shown if not line.startswith("Contact")]
    yield "\n".join([first, *shown])


def _http(text: str) -> str:
    head, _, body = text.partition("\r\n\r\n")
    first, *headers = head.split("\r\n")
    kept = ("host", "accept", "content-type", "content-length", "connection")
    shown = [line for line in headers if line.partition(":")[0].lower() in kept]
    if body.startswith("{"):
        body = json.dumps(json.loads(body))
    body = body.replace("&", "& ") if "& " not in body and not body.startswith("{") else body
    wrapped = textwrap.wrap(body, _WIDTH, break_long_words=False, break_on_hyphens=False)
    return "\n".join([first, *shown, *([""] if body else []), *(line.replace("& ", "&") for line in wrapped)])


def _agi(text: str) -> Iterator[str]:
    for line in text.splitlines():
        if line.startswith(("agi_arg_1:", "SET VARIABLE")):
            yield line


def _grpc(packet: Packet, server: int) -> Iterator[str]:
    data = packet.data.removeprefix(_PREFACE)
    kind = pb.LookupRequest if packet.target == server else pb.LookupResponse
    while len(data) >= _FRAME_HEADER:
        length = int.from_bytes(data[:3])
        payload = data[_FRAME_HEADER : _FRAME_HEADER + length]
        if data[3] == _DATA_FRAME and len(payload) > _MESSAGE_HEADER:
            message = kind.FromString(payload[_MESSAGE_HEADER:])
            yield f"{kind.__name__}\n{text_format.MessageToString(message)}"
        data = data[_FRAME_HEADER + length :]
