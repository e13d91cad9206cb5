"""The processes and stores that a fault may act on."""

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.faults.load import Writers
from tests.faults.stage import Stage


@dataclass(frozen=True, slots=True)
class Scene:
    """The stage, its writers, and chance as the seed has it."""

    stage: Stage
    writers: Writers
    chance: random.Random


@contextmanager
def meanwhile(act: Callable[[threading.Event], None]) -> Iterator[None]:
    """Do something in a thread of its own until left; it is told by the event."""
    over = threading.Event()
    thread = threading.Thread(target=act, args=(over,))
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
