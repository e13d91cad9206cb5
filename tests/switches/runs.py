"""The part of the documentation about each switch: the trace of a call, and the calls of a campaign."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.support.waiting import eventually
from tests.switches.asterisks import Asterisk
from tests.switches.campaign import Behind, Outcome, offer
from tests.switches.capture import Capture, Packet
from tests.switches.routers import Routers
from tests.switches.setups import Setup, Switch
from tests.switches.sip import Caller, Dialogue
from tests.switches.traces import Tracer

DIALLED = "4158867900"
_UNKNOWN = "+14158860000"
_ATTEMPTS = 20
"""Calls until one is answered by the first router in time, on a loaded machine."""


@contextmanager
def running(setup: Setup, folder: Path, routers: Routers, next_hop: int) -> Iterator[Switch]:
    """A switch that has answered a call."""
    switch = setup.start(folder, routers, next_hop)
    try:
        switch.wait()
        with Caller(switch.port) as caller:
            eventually(lambda: caller.ask(_UNKNOWN)[0].code == 404, 60)
        yield switch
    finally:
        switch.stop()


def trace(setup: Setup, folder: Path, routers: Routers, next_hop: int) -> str:
    """Return the trace of one routed call; the switch behind has to answer."""
    with running(setup, folder, routers, next_hop) as switch, Caller(switch.port) as caller:
        agi = switch.agi.port if isinstance(switch, Asterisk) and switch.agi else None
        caller.ask(DIALLED)  # from now on the number is in memory
        program = setup.switch.split()[0]
        names = {caller.own_port: "carrier", switch.port: program, next_hop: "next hop"}
        ports = {switch.port, next_hop, *routers.grpc, *routers.http, *routers.sip, *routers.enum, agi or 0}
        for _ in range(_ATTEMPTS):
            call = Dialogue(DIALLED.encode())
            with Capture(ports) as capture:
                caller.send(call.request("INVITE", caller.port, "X-Account-ID: forged"))
                answered = caller.final(call)
                caller.acknowledge(call, answered)
            packets = _of_call(capture.packets(), call, caller.own_port, next_hop)
            if text := Tracer(routers, names, program, agi).render(packets):
                return text
        raise AssertionError(f"{setup.name}: no call of {_ATTEMPTS} was routed by the first router")


def _of_call(packets: Sequence[Packet], call: Dialogue, carrier: int, next_hop: int) -> list[Packet]:
    """Leave out what belongs to earlier calls, and the next hop's responses, which come later in this one."""
    first = next((index for index, packet in enumerate(packets) if packet.source == carrier), len(packets))

    def is_ours(packet: Packet) -> bool:
        found = re.search(rb"^Call-ID: call-(\d+)\r$", packet.data, re.MULTILINE)
        return packet.source != next_hop and (found is None or int(found[1]) == call.number)

    return list(filter(is_ours, packets[first:]))


def campaign(
    setup: Setup, folder: Path, routers: Routers, behind: Behind, next_hop: int, *, calls: int, rate: int
) -> dict[str, Outcome]:
    """Offer calls with both routers, then with the first one frozen, then with it killed."""
    with running(setup, folder, routers, next_hop) as switch:

        def phase(name: str) -> Outcome:
            return offer(folder / name, switch.port, behind, calls, rate)

        outcomes = {"both answer": phase("both")}
        with routers.frozen(0):
            outcomes["first frozen"] = phase("frozen")
        routers.kill(0)
        try:
            outcomes["first killed"] = phase("killed")
        finally:
            routers.restart(0)
        return outcomes
