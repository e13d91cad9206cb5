"""Hostile callers hurt nobody else: a good one is answered, memory stays bounded, the log tells of each kind once."""

import pytest

from tests.abuse.attacks import attacks_on
from tests.abuse.harness import FRONTS, harness
from tests.abuse.trial import attempt

SECONDS, SETTLE = 0.25, 0.05


@pytest.mark.parametrize("front", FRONTS)
def test_no_attack_hurts_anybody_else(front: str) -> None:
    faults = []
    with harness(front) as running:
        for attack in attacks_on(front):
            if attack.quick:
                trial = attempt(running, attack, SECONDS, SETTLE)
                faults += [f"{attack.name}: {fault}" for fault in trial.faults]
        assert not faults, "\n".join(faults)
        assert running.process.popen.poll() is None
