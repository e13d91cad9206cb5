"""The result of an audit."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Difference:
    """One number or document whose cached value differs from its database.

    Attributes:
        kind: "missing" (not in the cache), "older", "newer", "different" (same revision, other answer),
            "extra" (in the cache alone).
        cached, stored: revisions; empty for none.
    """

    database: str
    id: str
    kind: str
    cached: str
    stored: str
    repaired: bool = False


@dataclass(frozen=True, slots=True)
class CopyFinding:
    """One number whose copy in an account's database differs from the number document.

    Attributes:
        copy: "phone_numbers" (the account's list) or "per_number" (a document of its own).
        kind: "missing", "different", "extra" (the account neither has the number nor reserved it), or "unread":
            the account's database can't be read; number and copy are empty then.
        why: reason why it could not be repaired; empty where it was, or where the audit does not repair.
    """

    account: str
    number: str
    copy: str
    kind: str
    repaired: bool = False
    why: str = ""


@dataclass(frozen=True, slots=True)
class ConflictingStates:
    """A number document whose two state fields differ; `pvt_state` counts."""

    database: str
    number: str
    pvt_state: str
    pvt_number_state: str


@dataclass(slots=True)
class AuditReport:
    """Result of an audit.

    Attributes:
        accounts: number of accounts whose copies were compared.
        copies: wrong copies in these.
        skipped: (database, id, reason) of documents that no lookup can reach; an operator has to correct them.
        conflicting_states: documents for an operator to correct, too.
    """

    databases: int = 0
    documents: int = 0
    entries: int = 0
    differences: list[Difference] = field(default_factory=list)
    accounts: int = 0
    copies: list[CopyFinding] = field(default_factory=list)
    skipped: list[tuple[str, str, str]] = field(default_factory=list)
    conflicting_states: list[ConflictingStates] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def has_unrepaired(self) -> bool:
        """Return whether a difference is left that was not repaired."""
        wrong: list[Difference | CopyFinding] = [*self.differences, *self.copies]
        return not all(each.repaired for each in wrong)
