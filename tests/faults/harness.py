"""The processes and stores that a fault may act on."""

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.faults.deployment import Deployment
from tests.faults.load import Writers


@dataclass(frozen=True, slots=True)
class Harness:
    """The deployment, its writers, and chance as the seed has it."""

    deployment: Deployment
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
