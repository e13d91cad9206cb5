"""One target in this process where there is no atheris: `python -m tests.fuzz.unguided TARGET SECONDS FINDINGS`.

hypothesis makes up the inputs from the target's words and kept inputs, and makes what breaks a promise smaller.
"""

import logging
import sys
import time
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from tests.fuzz import catalogue
from tests.fuzz.target import Target

_AT_A_TIME = 200


def inputs(target: Target) -> SearchStrategy[bytes]:
    """Kept inputs, words and noise, behind one another."""
    dictionary = [word if isinstance(word, bytes) else word.encode() for word in target.dictionary]
    kept = [each.read_bytes() for each in target.inputs()]
    cuts = [each[:cut] for each in kept for cut in (len(each) // 2, len(each))]
    piece = st.binary(max_size=12) | st.sampled_from([*dictionary, b""]) | st.sampled_from([*cuts, b""])
    return st.lists(piece, max_size=8).map(lambda pieces: b"".join(pieces)[: target.longest])


class Unguided:
    """Tries inputs for so long.

    Attributes:
        executions: inputs tried.
        smallest: the last that broke a promise: hypothesis ends with the smallest.
    """

    def __init__(self, target: Target) -> None:
        self._target = target
        self.executions = 0
        self.smallest: bytes | None = None

    def run(self, seconds: float) -> None:
        """Try.

        Raises:
            Exception: what the smallest input breaks.
        """
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._some()

    def _some(self) -> None:
        @settings(
            max_examples=_AT_A_TIME,
            deadline=None,
            database=None,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        )
        @given(inputs(self._target))
        def check(data: bytes) -> None:
            self.executions += 1
            try:
                self._target.check(data)
            except Exception:
                self.smallest = data
                raise

        check()


def main() -> None:
    """Fuzz until the time is over, or a promise is broken."""
    name, seconds, findings = sys.argv[1:]
    logging.disable(logging.CRITICAL)
    unguided = Unguided(catalogue.target(name))
    try:
        unguided.run(float(seconds))
    finally:
        sys.stdout.write(f"#{unguided.executions} DONE\n")
        if unguided.smallest is not None:
            path = Path(f"{findings}crash-unguided")
            path.write_bytes(unguided.smallest)
            sys.stdout.write(f"Test unit written to {path}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
