"""What a fault may lay hands on."""

import random
from dataclasses import dataclass

from tests.faults.load import Writers
from tests.faults.stage import Stage


@dataclass(frozen=True, slots=True)
class Scene:
    """The stage, its writers, and chance as the seed has it."""

    stage: Stage
    writers: Writers
    chance: random.Random
