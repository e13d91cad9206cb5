"""Runs every switch and writes two pages of docs/: `python -m tests.switches.evidence`, as root."""

import argparse
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

from router.embedded import EmbeddedCouchDB, EmbeddedRedis
from tests.cli.command import DOCUMENTS, databases_at
from tests.switches.campaign import NUMBERS, Behind, Outcome
from tests.switches.ports import free_port
from tests.switches.programs import ROOT
from tests.switches.routers import Routers
from tests.switches.runs import campaign, trace
from tests.switches.setups import SETUPS
from tests.switches.tools import outputs

PAGE, TOOLS_PAGE = ROOT / "docs" / "switch-runs.md", ROOT / "docs" / "switch-tools.md"
RATE = 20
"""Calls a second."""

_TOP = """\
# Runs with real switches

This page is written by `python -m tests.switches.evidence`, and holds what it saw.
`make test-switches` compares the traces with those of its own calls, and makes a shorter campaign by each way.

## Calls offered

SIPp offers {calls} calls in each phase, {rate} a second, to a switch with two did-routers.
It calls seven numbers by turns: three lead to accounts, two are nobody's or unassigned (404), and two are out of
service or of a disabled account (480).
Each INVITE carries a forged `X-Account-ID`.
Behind the switch another SIPp answers.
A call counts as routed where it reached that one with its number in E.164 and exactly its account; as wrong where
anything else than its own response reached the carrier, or another number or account the switch behind.
In the second phase every process of the first did-router is stopped (SIGSTOP), in the third it is killed.
A 503 is a call that neither answered in time: both share the machine with SIPp, the switch and whatever else runs.

| switch | asks by | phase | offered | routed | refused | 503 | wrong |
| --- | --- | --- | --- | --- | --- | --- | --- |
{rows}

## One call by each way

From the carrier's INVITE to the next hop's; what follows (180, 200, ACK, BYE) is as in any call.
Addresses and ports have names here; header fields of no interest are left out.
"""
_TOOLS_TOP = """\
# Checks with stock SIP and DNS tools

SIPp, dig, kdig and dnsperf call did-router itself, without a switch between.
Its setting `enum_refusals` is `"uri"`: a refusal is a SIP URI whose host names the reason.
`python -m tests.switches.evidence` writes this page.
"""


def traces_of_page() -> dict[str, str]:
    """Return the page's traces by the names of their setups."""
    text = PAGE.read_text("utf-8") if PAGE.exists() else ""
    return dict(re.findall(r"^### ([^\n]+)\n\n```text\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))


def main() -> None:
    """Write the pages."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=30 * len(NUMBERS), help="calls of each phase")
    calls = parser.parse_args().calls
    unable = {setup.name: setup.reason for setup in SETUPS if setup.reason}
    if unable:
        sys.exit("\n".join(f"{name}: {reason}" for name, reason in unable.items()))
    with ExitStack() as stack:
        couchdb = stack.enter_context(EmbeddedCouchDB())
        for name, documents in DOCUMENTS.items():
            database = databases_at(couchdb.url).database(name)
            database.create()
            database.put_many(documents)
        redis = stack.enter_context(EmbeddedRedis())
        stores = ("--couchdb-url", couchdb.url, "--redis-url", redis.url)
        routers = stack.enter_context(Routers("--with-follower", *stores))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        next_hop = free_port()
        behind = Behind(folder / "behind", next_hop)
        stack.callback(behind.stop)
        rows: list[str] = []
        traces: dict[str, str] = {}
        for index, setup in enumerate(SETUPS):
            own = folder / str(index)
            for name in ("trace", "campaign"):
                (own / name).mkdir(parents=True)
            traces[setup.name] = trace(setup, own / "trace", routers, next_hop)
            outcomes = campaign(setup, own / "campaign", routers, behind, next_hop, calls=calls, rate=RATE)
            rows += _rows(setup.switch, setup.way, outcomes)
            sys.stderr.write("\n".join([*rows[-3:], ""]))
        shown = "\n".join(f"### {name}\n\n```text\n{text}```\n" for name, text in traces.items())
        top = _TOP.format(calls=calls, rate=RATE, rows="\n".join(rows))
        PAGE.write_text(f"{top}\n{shown}", "utf-8")
        TOOLS_PAGE.write_text(f"{_TOOLS_TOP}\n{outputs(routers, folder)}", "utf-8")


def _rows(switch: str, way: str, outcomes: Mapping[str, Outcome]) -> Iterator[str]:
    for phase, outcome in outcomes.items():
        if outcome.wrong:
            sys.stderr.write("\n".join([*outcome.wrong, ""]))
        counts = (outcome.offered, outcome.routed, outcome.refused, outcome.unknown, len(outcome.wrong))
        yield f"| {switch} | {way} | {phase} | " + " | ".join(map(str, counts)) + " |"


if __name__ == "__main__":
    main()
