"""Hostile callers hurt nobody else: a good one is answered, memory stays bounded, the log tells of each kind once."""

import pytest

from tests.hostile.attacks import attacks_on
from tests.hostile.scene import FRONTS, scene
from tests.hostile.trial import attempt

SECONDS, SETTLE = 0.25, 0.05


@pytest.mark.parametrize("front", FRONTS)
def test_no_attack_hurts_anybody_else(front: str) -> None:
    faults = []
    with scene(front) as stage:
        for attack in attacks_on(front):
            if attack.quick:
                trial = attempt(stage, attack, SECONDS, SETTLE)
                faults += [f"{attack.name}: {fault}" for fault in trial.faults]
        assert not faults, "\n".join(faults)
        assert stage.process.popen.poll() is None
