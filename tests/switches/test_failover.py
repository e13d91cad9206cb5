"""SIPp offers calls through every switch that runs here, while one of its two did-routers is frozen, then killed."""

from pathlib import Path

import pytest

from tests.switches.campaign import NUMBERS, Behind
from tests.switches.routers import Routers
from tests.switches.runs import campaign
from tests.switches.setups import SETUPS, Setup

CALLS, RATE = 2 * len(NUMBERS), 20
"""Calls of each phase, and how many a second."""


@pytest.mark.parametrize("setup", SETUPS, ids=lambda setup: setup.name)
def test_no_call_is_routed_wrongly(
    setup: Setup, tmp_path: Path, routers: Routers, behind: Behind, next_hop: int
) -> None:
    """The second router answers for the first; how long the first one's silence takes is not measured here."""
    if setup.reason:
        pytest.skip(setup.reason)
    outcomes = campaign(setup, tmp_path, routers, behind, next_hop, calls=CALLS, rate=RATE)

    assert {phase: outcome.wrong for phase, outcome in outcomes.items() if outcome.wrong} == {}
    assert [phase for phase, outcome in outcomes.items() if not outcome.routed or not outcome.refused] == []
