"""A ledger of what was written, which judges answers.

Each write of an owner is a **claim** on a number: an account that no other claim ever names, so an answer tells by
itself which write it comes from. A claim is made at the moment it is sent; it is *acknowledged* at the moment its
writer learned that it stands, or it stays *open* (the store was away: it stands or it doesn't). Claims on one number
are made one after the other, each upon the revision that stood, so an acknowledged one ends all before it. That a
number has no document is a claim too, with an empty account.

An answer to a call that began at B and ended at E, naming account A for number N, is

- **wrong** when A was never claimed on N before E;
- **current** when no later claim on N was acknowledged before B;
- **stale** otherwise. Its age, with regard to each later claim acknowledged at K < B, is B - K.

A stale answer is allowed

- to an AUTHORITATIVE call: never;
- flagged `stale`: until the fault is over and healed;
- not flagged: while its age is at most the later claim's *quiet* time, for every later claim. That of a change that the
  number manager acknowledged without a warning is 0: no lookup that begins afterwards may miss it. That of any other
  change is what docs/architecture.md promises for the fault at hand (see `faults.py`).

On a cluster of several CouchDB nodes a write may reach some copies and not others, and stand in conflict with a later
one that other copies took. So a claim of which it is not known that a majority has it is **contested**: no later claim
ends it, and answers may name it, until somebody has read every copy, with all nodes there. What stands then is a claim
of its own, that *settles* the number: it ends all before it, as an acknowledged claim does on a single node.
While a node is cut off from the others and clients of ours may still ask it, the changes on one side are unknown on the
other, and that holds for AUTHORITATIVE calls, too: such a time is a **division**. Changes that are acknowledged in it
are promised from its end on, and so are changes by hand that were acknowledged shortly before it.

A refusal other than "no such number" is no account: wrong, unless it says that the answer can't be known now
(UNAVAILABLE, RESOURCE_EXHAUSTED, DEADLINE_EXCEEDED).
"""

import itertools
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field

NOBODY = ""
"""The account of a number without a document."""


@dataclass(slots=True)
class Claim:
    """An account on a number.

    Attributes:
        sent, acknowledged: monotonic; acknowledged None while nobody knows.
        quiet: seconds for which lookups may go on naming a former account without saying that it may be stale.
        void: it is known that it was not written.
        contested: copies may have it that nobody asked.
        settles: every copy was read for it, so that it ends contested claims.
    """

    number: str
    account: str
    sent: float
    acknowledged: float | None = None
    quiet: float = 0.0
    void: bool = False
    contested: bool = False
    settles: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """The result of a call.

    Attributes:
        account: the account; NOBODY for NOT_FOUND; None for an answer without one.
        why: the gRPC status, and reason where there is one, of what is no route.
        limit: the call's deadline in seconds.
        direct: the caller has no link that may be in trouble.
    """

    number: str
    began: float
    ended: float
    account: str | None
    flagged: bool = False
    authoritative: bool = False
    why: str = ""
    limit: float = 0.0
    direct: bool = True


@dataclass(frozen=True, slots=True)
class Verdict:
    """The judgement of an answer.

    Attributes:
        wrong: empty, or what is wrong with it.
        age: seconds since a later claim was acknowledged; 0 for a current answer.
    """

    wrong: str = ""
    age: float = 0.0


@dataclass
class Ledger:
    """All claims, in their order; threads share it."""

    _claims: defaultdict[str, list[Claim]] = field(default_factory=lambda: defaultdict(list))
    _divisions: list[tuple[float, float]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def claim(self, number: str, account: str, *, contested: bool = False, settles: bool = False) -> Claim:
        """Note that a write is about to be sent."""
        made = Claim(number, account, time.monotonic(), contested=contested, settles=settles)
        with self._lock:
            self._claims[number].append(made)
        return made

    def acknowledge(self, claim: Claim, quiet: float) -> None:
        """Note that a write stands."""
        claim.contested = False
        claim.quiet = quiet
        claim.acknowledged = time.monotonic()

    def divide(self, began: float, ended: float, before: float) -> None:
        """Note a division that is over.

        Args:
            before: seconds before it in which changes by hand may not have reached every copy.
        """
        with self._lock:
            self._divisions.append((began, ended))
            for claim in itertools.chain.from_iterable(self._claims.values()):
                first = began - before if claim.quiet else began
                if claim.acknowledged is not None and first <= claim.acknowledged <= ended:
                    claim.quiet += ended - claim.acknowledged

    def claims(self, number: str) -> list[Claim]:
        """Return the claims on a number, in their order."""
        with self._lock:
            return list(self._claims[number])

    def contested(self) -> list[str]:
        """Return the numbers that nobody has settled."""
        with self._lock:
            return [number for number, claims in self._claims.items() if _contested(claims)]

    def current(self, number: str) -> set[str]:
        """The accounts that may be a number's now: the last one acknowledged, and open claims made since."""
        claims = [claim for claim in self._claims[number] if not claim.void]
        last = max((at for at, claim in enumerate(claims) if claim.acknowledged is not None), default=0)
        return {claim.account for claim in (*claims[last:], *_contested(claims))} or {NOBODY}

    def judge(self, answer: Answer) -> Verdict:
        """See the module. What is allowed while flagged is for the caller to bound."""
        if answer.account is None:
            return Verdict()
        claims = [claim for claim in self._claims[answer.number] if not claim.void]
        made = [at for at, claim in enumerate(claims) if claim.account == answer.account and claim.sent <= answer.ended]
        if not made and answer.account == NOBODY and not claims:
            return Verdict()
        if not made:
            return Verdict(f"{answer.number} was never {answer.account or 'without a document'}")
        if answer.authoritative and self._is_divided(answer):
            return Verdict()
        verdicts = (_verdict(answer, _later(claims, at)) for at in made)
        return min(verdicts, key=lambda each: (each.wrong != "", each.age))

    def _is_divided(self, answer: Answer) -> bool:
        return any(began <= answer.ended and answer.began <= ended for began, ended in self._divisions)


def _later(claims: list[Claim], at: int) -> list[Claim]:
    """Return the claims that end this one once they are acknowledged."""
    later = claims[at + 1 :]
    return [claim for claim in later if claim.settles] if claims[at].contested else later


def _contested(claims: list[Claim]) -> list[Claim]:
    """Return the claims that are contested since the number was settled last."""
    settled = max((at for at, claim in enumerate(claims) if claim.settles), default=-1)
    return [claim for claim in claims[settled + 1 :] if claim.contested and not claim.void]


def _verdict(answer: Answer, later: list[Claim]) -> Verdict:
    missed = [claim for claim in later if claim.acknowledged is not None and claim.acknowledged < answer.began]
    if not missed:
        return Verdict()
    ages = [(answer.began - (claim.acknowledged or 0.0), claim) for claim in missed]
    age = max(each for each, _ in ages)
    if answer.authoritative:
        return Verdict(f"{answer.number}: AUTHORITATIVE, and {age:.3f} s old", age)
    if answer.flagged:
        return Verdict("", age)
    for each, claim in ages:
        if each > claim.quiet:
            message = f"{answer.number}: not flagged, and {each:.3f} s old, where {claim.quiet:.1f} s are promised"
            return Verdict(message, age)
    return Verdict("", age)
