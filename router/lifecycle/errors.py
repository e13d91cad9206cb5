"""Errors of operations on numbers, with KAZOO's own names and codes (`knm_errors`)."""

from dataclasses import dataclass

UNAVAILABLE = "database_unavailable"
"""Cause of an error that is not the number's; a later retry may succeed."""

UNCONFIRMED = "unconfirmed"
"""Cause of an error after which the number may have changed; it must be read again."""


@dataclass(unsafe_hash=True)
class NumberError(Exception):
    """The error of one number; the other numbers of a request are not affected.

    Attributes:
        code: HTTP status of KAZOO's API.
        error: KAZOO's name of the error.
        cause: detail for programs; empty for none.
        message: for people: the problem, and what to do.
    """

    code: int
    error: str
    cause: str = ""
    message: str = ""

    def __str__(self) -> str:
        """Return one line."""
        return error_line(self.error, self.cause, self.message)


def error_line(error: str, cause: str, message: str) -> str:
    """Return an error in one line; a cause that equals the message is left out."""
    return f"{error}{f' ({cause})' if cause not in ('', message) else ''}: {message}"


def forbidden(cause: str = "", message: str = "requestor is unauthorized to perform operation") -> NumberError:
    """Return the error of a requester without permission."""
    return NumberError(403, "forbidden", cause, message)


def number_exists(number: str) -> NumberError:
    """Return the error of an existing number whose state does not allow a creation."""
    return NumberError(409, "number_exists", number, f"{number} exists already: reserve or move it instead")


def not_found(number: str) -> NumberError:
    """Return the error of a number without a document."""
    return NumberError(404, "not_found", number, f"there is no number {number}: create it first")


def not_reconcilable(number: str) -> NumberError:
    """Return the error of a number that gets no document."""
    return NumberError(
        404, "not_reconcilable", number, f"'{number}' is no number that gets a document (reconcile_regex): send E.164"
    )


def number_is_porting(number: str) -> NumberError:
    """Return the error of a number in an active port request."""
    return NumberError(
        400, "number_is_porting", number, f"{number} is in an active port request: wait until that is completed"
    )


def no_change_required() -> NumberError:
    """Return the error of a request that would change nothing."""
    return NumberError(400, "no_change_required", "", "it is so already")


def invalid_state_transition(origin: str | None = None, target: str | None = None) -> NumberError:
    """Return the error of a missing transition."""
    cause = f"from {origin} to {target}" if origin else ""
    return NumberError(400, "invalid_state_transition", cause, f"a number can't go {cause or 'there'}")


def assign_failure(cause: str = "field_undefined") -> NumberError:
    """Return the error of an unusable `assign_to`."""
    return NumberError(400, "assign_failure", cause, "assign_to must be an account id (32 characters)")


def invalid(cause: str) -> NumberError:
    """Return the error of an unusable field."""
    return NumberError(400, "invalid", cause, cause)


def carrier_fault(module: str, reason: str) -> NumberError:
    """Return the error of a carrier that refused or failed."""
    return NumberError(500, "unspecified_fault", reason, f"fault by carrier {module}: {reason}")


def provider_fault(provider: str, reason: str) -> NumberError:
    """Return the error of a feature provider that refused or failed."""
    return NumberError(500, "unspecified_fault", reason, f"fault by feature provider {provider}: {reason}")


def unavailable(message: str) -> NumberError:
    """Return the error of an unreachable store; no change is known."""
    return NumberError(500, "internal_error", UNAVAILABLE, message)


def unconfirmed(message: str) -> NumberError:
    """Return the error of a write that too few copies of the database accepted."""
    return NumberError(500, "internal_error", UNCONFIRMED, message)


def contended(number: str) -> NumberError:
    """Return the error of a number under continuous change by other writers."""
    return NumberError(
        500, "internal_error", "conflict", f"{number} is being changed by others all the time: try again"
    )


def malformed(number: str, problem: str) -> NumberError:
    """Return the error of a document with unusable content."""
    message = f"the document of {number} can't be acted on: {problem}; mend it by hand, or delete the number"
    return NumberError(500, "internal_error", "malformed_document", message)


def internal() -> NumberError:
    """Return the error of an internal fault."""
    return NumberError(500, "internal_error", "", "it failed for a reason that only the log of did-router tells")
