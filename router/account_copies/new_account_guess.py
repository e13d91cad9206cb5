"""The guess that accounts have no copy of any number yet, which saves reading it."""

from dataclasses import dataclass


@dataclass(slots=True)
class NewAccountGuess:
    """Counts guesses that accounts have no copy yet."""

    right: int = 0
    wrong: int = 0

    @property
    def holds(self) -> bool:
        """Return whether at least half of the guesses were right, so that the next one is worth it."""
        return self.wrong <= self.right

    def note(self, *, right: bool) -> None:
        """Record the result of one guess."""
        self.right += right
        self.wrong += not right
