"""The traces of docs/switch-runs.md are those of real calls; `python -m tests.switches.evidence` writes them again."""

import os
import re
from collections import Counter
from pathlib import Path

import pytest

from tests.switches.campaign import Behind
from tests.switches.evidence import PAGE, traces_of_page
from tests.switches.routers import Routers
from tests.switches.runs import trace
from tests.switches.setups import SETUPS, Setup

TRACES = traces_of_page()


def test_every_setup_has_a_trace() -> None:
    assert set(TRACES) == {setup.name for setup in SETUPS}


@pytest.mark.skipif(os.geteuid() != 0, reason="seeing packets needs root")
@pytest.mark.parametrize("setup", SETUPS, ids=lambda setup: setup.name)
def test_call_leaves_the_pages_trace(
    setup: Setup, tmp_path: Path, routers: Routers, behind: Behind, next_hop: int
) -> None:
    if setup.reason:
        pytest.skip(setup.reason)

    assert trace(setup, tmp_path, routers, next_hop) == TRACES[setup.name]


def test_every_setup_was_offered_calls_and_routed_none_wrongly() -> None:
    rows = re.findall(r"^\| (.+?) \| (.+?) \| (?:both|first) .* \| (\d+) \|$", PAGE.read_text("utf-8"), re.MULTILINE)

    assert Counter(f"{switch}, {way}" for switch, way, _ in rows) == {setup.name: 3 for setup in SETUPS}
    assert {wrong for _, _, wrong in rows} == {"0"}
