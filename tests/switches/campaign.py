"""Calls that SIPp offers through a switch, and what became of each: routed, refused, unknown, or wrong."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from router.cli import sample_numbers
from tests.cli.command import ACCOUNTS
from tests.switches.ports import free_port
from tests.switches.programs import Sipp
from tests.switches.sip import headers

ROUTED = {
    "4158867900": ("+14158867900", ACCOUNTS[0]),
    "+14158867903": ("+14158867903", ACCOUNTS[4]),
    "+442079460018": ("+442079460018", ACCOUNTS[2]),
}
"""Dialled number → E.164 and account."""
REFUSED = {"+14158860000": 404, "+14158867905": 404, "+14158867904": 480, "+14158867906": 480}
assert sample_numbers.DISABLED not in ACCOUNTS
_TOLERANT = ("-default_behaviors", "all,-abortunexp")
"""Goes on where a proxy's workers change the order of two datagrams, such as 180 and 200."""
NUMBERS = (*ROUTED, *REFUSED)


@dataclass(frozen=True)
class Outcome:
    """The results of the calls that were offered.

    Attributes:
        routed: reached the switch behind, with the right number and account.
        refused: with the SIP response that the number has.
        unknown: 503; the carrier may try elsewhere.
        wrong: everything else, in words.
    """

    offered: int
    routed: int
    refused: int
    unknown: int
    wrong: tuple[str, ...]


class Behind:
    """The switch behind: SIPp answers every call until it is stopped."""

    def __init__(self, folder: Path, port: int) -> None:
        folder.mkdir(exist_ok=True)
        self._sipp = Sipp("answering", folder, *_TOLERANT, "-p", str(port), calls=100_000, seconds=3_600)
        self._sipp.wait_until_bound(port)

    def calls(self) -> list[tuple[str, tuple[str, ...]]]:
        """Return the number and every X-Account-ID of each call; a retransmission is no call."""
        found = {}
        for invite in self._sipp.received("INVITE"):
            (branch,) = re.findall(r"^Via:.*?branch=(\S+?)(?:;|$)", invite, re.MULTILINE)[:1]
            number = invite.removeprefix("INVITE sip:").partition("@")[0]
            found[branch] = (number, tuple(headers(invite, "X-Account-ID")))
        return list(found.values())

    def stop(self) -> None:
        """End it."""
        self._sipp.stop()


def offer(folder: Path, port: int, behind: Behind, calls: int, rate: int, numbers: Sequence[str] = NUMBERS) -> Outcome:
    """Offer calls, `rate` a second, to the numbers by turns, and wait for the end of all."""
    folder.mkdir(exist_ok=True)
    listed = folder / "numbers.csv"
    listed.write_text("SEQUENTIAL\n" + "".join(f"{number};\n" for number in numbers))
    before = len(behind.calls())
    arguments = (*_TOLERANT, "-inf", str(listed), "-p", str(free_port()), "-r", str(rate), f"127.0.0.1:{port}")
    carrier = Sipp("offered", folder, *arguments, calls=calls, seconds=240)
    try:
        carrier.finish()
    finally:
        carrier.stop()
    return _judge(carrier.responses(), behind.calls()[before:], calls)


def _judge(responses: dict[str, tuple[str, int]], reached: list[tuple[str, tuple[str, ...]]], calls: int) -> Outcome:
    counts: Counter[str] = Counter()
    wrong = [f"{calls - len(responses)} calls without a final response"] if len(responses) != calls else []
    answered = 0
    for number, code in responses.values():
        if code == 503:
            counts["unknown"] += 1
        elif code == REFUSED.get(number):
            counts["refused"] += 1
        elif code == 200 and number in ROUTED:
            answered += 1
        else:
            wrong.append(f"{number} got {code}")
    right = {(number, (account,)) for number, account in ROUTED.values()}
    wrong += [f"{number} reached {accounts}" for number, accounts in reached if (number, accounts) not in right]
    if len(reached) != answered:
        wrong.append(f"{answered} calls were answered, and {len(reached)} reached the switch behind")
    return Outcome(calls, answered, counts["refused"], counts["unknown"], tuple(wrong))
