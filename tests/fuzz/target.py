"""A fuzz target, and where its inputs are kept."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
CORPUS = ROOT / "tests" / "fuzz" / "corpus"


@dataclass(frozen=True, slots=True)
class Target:
    """A reader and what it promises of whatever it is given.

    Attributes:
        name: of its module, too.
        check: reads an input and raises where a promise is broken; the rest of the time it says nothing.
        words: texts that mean something to the reader, for the engine to put into its inputs.
        longest: bytes of an input.
    """

    name: str
    check: Callable[[bytes], None]
    dictionary: Sequence[str | bytes] = ()
    longest: int = 2048

    @property
    def corpus(self) -> Path:
        """The folder of its inputs."""
        return CORPUS / self.name

    def inputs(self) -> list[Path]:
        """The inputs that are kept, each worth replaying."""
        return sorted(self.corpus.iterdir()) if self.corpus.is_dir() else []
