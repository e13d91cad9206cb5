"""Unavailable stores: how long a run waits for one, and the error when it stays unavailable."""

from router.lifecycle.errors import UNAVAILABLE, NumberError

BACKOFF = (0.5, 1, 2, 4, 8)
"""Seconds between attempts while a store is unavailable."""


class StoreUnavailableError(Exception):
    """A store stays unavailable. All finished rows have their results, and the run can be resumed later."""


class TransientStoreError(Exception):
    """A store was unavailable for one request; the message is the store's error."""


def is_unavailable(error: NumberError | None) -> bool:
    """Return whether an operation failed because a store was unavailable."""
    return error is not None and error.cause == UNAVAILABLE
