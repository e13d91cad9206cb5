"""What became of an ask."""

from dataclasses import dataclass

from router.lifecycle.errors import NumberError
from router.numbers.documents import NumberDocument


@dataclass(frozen=True)  # without slots: as with documents (router.numbers.fast_replace)
class Outcome:
    """One number's result.

    Attributes:
        number: E.164 where the input came to one, else the input.
        document: as it stands now, or as it would be (dry run), or as it was when it was deleted; None on an error.
        error: why nothing was done.
        unchanged: nothing had to be written.
        deleted: the document is gone.
        warnings: what did not work but is mended later, a line each.
        copies_wait: its account copies are yet to be written (see `router.manager.deferred_copies`).
        copies_of: accounts among those that its document does not name any more.
    """

    number: str
    document: NumberDocument | None = None
    error: NumberError | None = None
    unchanged: bool = False
    deleted: bool = False
    warnings: tuple[str, ...] = ()
    copies_deferred: bool = False
    copies_of: tuple[str, ...] = ()
