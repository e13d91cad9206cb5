"""The outcome of an operation on one number."""

from collections.abc import Iterable
from dataclasses import dataclass

from router.lifecycle.errors import NumberError
from router.numbers.documents import NumberDocument
from router.numbers.fast_replace import fast_replace


@dataclass(frozen=True)  # without slots, for router.numbers.fast_replace
class Outcome:
    """The result of an operation on one number.

    Attributes:
        number: E.164 if the input could be normalised, else the input.
        document: as it is now, as it would be (dry run), or as it was before it was deleted; None on an error.
        error: why nothing was done.
        unchanged: nothing had to be written.
        deleted: the document was deleted.
        warnings: what failed and is repaired later, a line each.
        copies_deferred: its account copies are not written yet (see `router.manager.deferred_copies`).
        copies_of: accounts with a copy that its document no longer names.
    """

    number: str
    document: NumberDocument | None = None
    error: NumberError | None = None
    unchanged: bool = False
    deleted: bool = False
    warnings: tuple[str, ...] = ()
    copies_deferred: bool = False
    copies_of: tuple[str, ...] = ()

    def with_warnings(self, *messages: str) -> "Outcome":
        """Return the outcome with further warnings; a warning that it has already is not repeated."""
        new = tuple(dict.fromkeys(each for each in messages if each not in self.warnings))
        return fast_replace(self, warnings=(*self.warnings, *new)) if new else self

    def with_deferred_copies(self, accounts: Iterable[str]) -> "Outcome":
        """Return the outcome with its account copies marked as deferred.

        Args:
            accounts: accounts with a copy that the document no longer names.
        """
        return fast_replace(self, copies_deferred=True, copies_of=tuple(sorted(accounts)))
