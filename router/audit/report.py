"""What an audit finds."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Difference:
    """One number or document about which the cache and its database disagree.

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
    """One number of which an account's copy is not as the number document says.

    Attributes:
        copy: "phone_numbers" (the account's list) or "per_number" (a document of its own).
        kind: "missing", "different", "extra" (the account neither has the number nor reserved it), or "unread":
            the account's database can't be read; number and copy are empty then.
        why: why it could not be mended; empty where it was, or where nobody tried.
    """

    account: str
    number: str
    copy: str
    kind: str
    repaired: bool = False
    why: str = ""


@dataclass(frozen=True, slots=True)
class TwoStates:
    """A number document with both state fields, which differ; `pvt_state` counts."""

    database: str
    number: str
    pvt_state: str
    pvt_number_state: str


@dataclass(slots=True)
class AuditReport:
    """What an audit found.

    Attributes:
        accounts: accounts whose copies were compared.
        copies: what is wrong in them.
        left_out: (database, id, why) of documents that no lookup can reach: for an operator to mend.
        two_states: for an operator to mend, too.
    """

    databases: int = 0
    documents: int = 0
    entries: int = 0
    differences: list[Difference] = field(default_factory=list)
    accounts: int = 0
    copies: list[CopyFinding] = field(default_factory=list)
    left_out: list[tuple[str, str, str]] = field(default_factory=list)
    two_states: list[TwoStates] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def stands(self) -> bool:
        """Whether something differs that was not mended."""
        wrong: list[Difference | CopyFinding] = [*self.differences, *self.copies]
        return not all(each.repaired for each in wrong)
