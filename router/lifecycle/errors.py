"""Why something can't be done to a number: KAZOO's own names and codes (`knm_errors`)."""

from dataclasses import dataclass

UNAVAILABLE = "database_unavailable"
"""The cause of an error that says nothing about the number: asking again later may help."""

UNCONFIRMED = "unconfirmed"
"""The cause of an error that says nothing about the number either: it may have been changed, and must be looked at."""


@dataclass(unsafe_hash=True)
class NumberError(Exception):
    """One number's refusal; the other numbers of a request go on.

    Attributes:
        code: as KAZOO's API answers, an HTTP status.
        error: the name.
        cause: what exactly, for programs; empty for none.
        message: for people: what is wrong and what to do.
    """

    code: int
    error: str
    cause: str = ""
    message: str = ""

    def __str__(self) -> str:
        """One line."""
        return error_line(self.error, self.cause, self.message)


def error_line(error: str, cause: str, message: str) -> str:
    """Return a refusal in one line, without a cause that is the message itself."""
    return f"{error}{f' ({cause})' if cause not in ('', message) else ''}: {message}"


def forbidden(cause: str = "", message: str = "requestor is unauthorized to perform operation") -> NumberError:
    """The asker may not do this."""
    return NumberError(403, "forbidden", cause, message)


def number_exists(number: str) -> NumberError:
    """It exists, in a state that nobody can create it from."""
    return NumberError(409, "number_exists", number, f"{number} exists already: reserve or move it instead")


def not_found(number: str) -> NumberError:
    """There is no such number document."""
    return NumberError(404, "not_found", number, f"there is no number {number}: create it first")


def not_reconcilable(number: str) -> NumberError:
    """It isn't a number that gets a document."""
    return NumberError(
        404, "not_reconcilable", number, f"'{number}' is no number that gets a document (reconcile_regex): send E.164"
    )


def number_is_porting(number: str) -> NumberError:
    """An active port request has it."""
    return NumberError(
        400, "number_is_porting", number, f"{number} is in an active port request: wait until that is completed"
    )


def no_change_required() -> NumberError:
    """It is so already."""
    return NumberError(400, "no_change_required", "", "it is so already")


def invalid_state_transition(origin: str | None = None, target: str | None = None) -> NumberError:
    """No way leads from one state to the other."""
    cause = f"from {origin} to {target}" if origin else ""
    return NumberError(400, "invalid_state_transition", cause, f"a number can't go {cause or 'there'}")


def assign_failure(cause: str = "field_undefined") -> NumberError:
    """It can't be given to that account."""
    return NumberError(400, "assign_failure", cause, "assign_to must be an account id (32 characters)")


def invalid(cause: str) -> NumberError:
    """A field that can't be used."""
    return NumberError(400, "invalid", cause, cause)


def carrier_fault(module: str, words: str) -> NumberError:
    """The carrier refused, or could not be asked."""
    return NumberError(500, "unspecified_fault", words, f"fault by carrier {module}: {words}")


def provider_fault(provider: str, words: str) -> NumberError:
    """A feature's provider refused, or could not be asked."""
    return NumberError(500, "unspecified_fault", words, f"fault by feature provider {provider}: {words}")


def unavailable(words: str) -> NumberError:
    """A store can't be asked; nothing is known to have changed."""
    return NumberError(500, "internal_error", UNAVAILABLE, words)


def unconfirmed(words: str) -> NumberError:
    """Too few copies of the database took the change, and the others can't be asked."""
    return NumberError(500, "internal_error", UNCONFIRMED, words)


def contended(number: str) -> NumberError:
    """Others kept changing it."""
    return NumberError(
        500, "internal_error", "conflict", f"{number} is being changed by others all the time: try again"
    )


def malformed(number: str, problem: str) -> NumberError:
    """Its document says something that nobody may act on."""
    words = f"the document of {number} can't be acted on: {problem}; mend it by hand, or delete the number"
    return NumberError(500, "internal_error", "malformed_document", words)


def internal() -> NumberError:
    """A fault of ours."""
    return NumberError(500, "internal_error", "", "it failed for a reason that only the log of did-router tells")
