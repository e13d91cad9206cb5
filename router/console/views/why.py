"""Explanation of a number's route: the decision, the steps, the layers, and which of them disagree."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from router.console.admin_pages import AdminPage
from router.console.views.text import age as age_text
from router.v1 import inbound_pb2 as pb

_Layer = Literal["redis", "number_database", "port_requests", "account"]
_LAYERS: tuple[tuple[str, _Layer], ...] = (
    ("Redis", "redis"),
    ("number document", "number_database"),
    ("port requests", "port_requests"),
    ("account", "account"),
)
_CACHES = frozenset(("near cache", "Redis"))
_SOURCES = {
    pb.NEAR_CACHE: "The near cache",
    pb.REDIS: "Redis",
    pb.NUMBER_DATABASE: "The number database",
    pb.PORT_REQUEST: "A port request",
}
_REFUSALS = {
    pb.NOT_RECONCILABLE: "is no number that routes under this dial plan",
    pb.NUMBER_NOT_FOUND: "has no document, and no single active port request",
    pb.NOT_IN_SERVICE: "is in a state that takes no calls",
    pb.UNASSIGNED: "belongs to no account",
    pb.ACCOUNT_DISABLED: "belongs to a disabled account",
    pb.NUMBER_DATABASE_UNAVAILABLE: "is in no cache, and CouchDB does not answer in time",
    pb.OVERLOADED: "was refused: there are more calls than can be answered in time",
}


@dataclass(frozen=True, slots=True)
class Step:
    """One step from the input to the decision."""

    name: str
    result: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class LayerRow:
    """Content of one layer for a number.

    Attributes:
        where: the worker, for a near cache.
        state: present, absent or unreadable.
        differs: how it disagrees with the number document; empty where it does not.
    """

    name: str
    where: str
    state: str
    account: str
    number_state: str
    revision: str
    age: str
    detail: str
    differs: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer of a lookup.

    Attributes:
        level: ok (routes), warn (refused) or bad (no answer in time).
        facts: name and value, of a route.
    """

    level: str
    headline: str
    account: str
    reason: str
    facts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Why:
    """The page.

    Attributes:
        authoritative: the answer past the caches; None where it was not asked for.
        near_note: why only one near cache is shown; empty where all are.
        other_instances: near caches that could not be read, with the reason.
    """

    number: str
    decision: Decision
    explained: str
    steps: list[Step]
    layers: list[LayerRow]
    follower: str
    authoritative: Decision | None = None
    near_note: str = ""
    unread: dict[str, str] = field(default_factory=dict)

    @property
    def disagreements(self) -> list[LayerRow]:
        """The layers that disagree with the number document."""
        return [row for row in self.layers if row.differs]

    @property
    def authoritative_differs(self) -> bool:
        """The answer past the caches is another one."""
        return self.authoritative is not None and (self.authoritative.headline, self.authoritative.account) != (
            self.decision.headline,
            self.decision.account,
        )


def why(
    explanation: pb.ExplainResponse,
    near_caches: Mapping[str, AdminPage],
    authoritative: pb.LookupOutcome | None = None,
) -> Why:
    """Make the page.

    Args:
        near_caches: each instance's page about the near caches of its workers; empty where none was asked.
        authoritative: the answer past the caches.
    """
    read = {name: page for name, page in near_caches.items() if page.ok}
    refused = any(page.is_refused for page in near_caches.values())
    layers = list(_layers(explanation, read))
    number = explanation.number or explanation.input
    return Why(
        number,
        decision(explanation.answer),
        explanation.decision,
        list(_steps(explanation)),
        _marked(layers, explanation.number_database),
        _follower(explanation.follower) if explanation.HasField("follower") else "",
        None if authoritative is None else decision(authoritative),
        "Your token does not open the admin pages, so only the near cache of the worker that answered is shown: "
        "use a token made with --scope admin as well."
        if refused and not read
        else "",
        {name: page.problem for name, page in near_caches.items() if not page.ok and not page.is_refused},
    )


def decision(outcome: pb.LookupOutcome) -> Decision:
    """Return an answer in words."""
    if outcome.WhichOneof("outcome") == "route":
        route = outcome.route
        source = _SOURCES.get(route.source, "A layer")
        stale = ", and it may be stale" if route.stale else ""
        return Decision("ok", "routes to account", route.account_id, f"{source} says so{stale}.", tuple(_facts(route)))
    refusal = outcome.refusal
    level = "bad" if refusal.reason in {pb.NUMBER_DATABASE_UNAVAILABLE, pb.OVERLOADED} else "warn"
    headline = _REFUSALS.get(refusal.reason, "does not route")
    return Decision(level, headline, "", f"{pb.Reason.Name(refusal.reason)}: {refusal.message}")


def as_text(page: Why) -> str:
    """Return the page as plain text, for a ticket or a mail."""
    decided = page.decision
    lines = [f"{page.number} {decided.headline} {decided.account}".rstrip(), decided.reason, ""]
    lines += [f"{number}. {step.name}: {step.result} {step.note}".rstrip() for number, step in enumerate(page.steps, 1)]
    lines.append("")
    for row in page.layers:
        name = f"{row.name} {row.where}".strip()
        parts = (row.detail, row.revision, row.age and f"{row.age} old", row.differs and f"DIFFERS: {row.differs}")
        lines.append(f"{name}: {row.state}; " + "; ".join(filter(None, parts)))
    lines += [f"follower: {page.follower}"] if page.follower else []
    if page.authoritative is not None:
        lines.append(f"past the caches: {page.authoritative.headline} {page.authoritative.account}".rstrip())
    return "\n".join(lines) + "\n"


def _facts(route: pb.LookupResponse) -> Iterator[tuple[str, str]]:
    failover = route.failover.e164 or route.failover.sip
    flags = ("pending_port", "local", "force_outbound", "inbound_cnam", "ported_in")
    yield from (
        pair
        for pair in (
            ("state", route.state),
            ("carrier", route.carrier),
            ("used by", route.used_by),
            ("prepend", route.prepend),
            ("failover", failover),
            ("ringback", route.ringback_media),
            ("transfer", route.transfer_media),
            ("features", ", ".join(route.features)),
            ("flags", ", ".join(name.replace("_", " ") for name in flags if getattr(route, name))),
        )
        if pair[1]
    )


def _steps(explanation: pb.ExplainResponse) -> Iterator[Step]:
    yield Step("Dialled", explanation.input or "nothing")
    if not explanation.rule:
        yield Step("Dial plan", explanation.dial_plan, "unknown")
        return
    yield Step("Dial plan", explanation.dial_plan, f"rule {explanation.rule}")
    verdict = "" if explanation.reconcilable else "no number that is looked up (reconcile_regex)"
    kind = explanation.classification or "no class"
    yield Step("E.164", explanation.number or "none", "; ".join(filter(None, (kind, verdict))))
    if explanation.database:
        yield Step("Database", explanation.database)
    if explanation.HasField("number_database"):
        yield Step("Number document", _step_of(explanation.number_database))
        if not explanation.number_database.present:
            yield Step("Port requests", _step_of(explanation.port_requests))
        yield Step("Account", _step_of(explanation.account))
    yield Step("Decision", explanation.decision)


def _step_of(view: pb.LayerView) -> str:
    return f"can't be asked: {view.error}" if view.error else view.detail


def _layers(explanation: pb.ExplainResponse, near_caches: Mapping[str, AdminPage]) -> Iterator[LayerRow]:
    if not explanation.HasField("near_cache"):
        return
    if near_caches:
        several = len(near_caches) > 1
        for instance, page in near_caches.items():
            content = page.json() or {}
            # A single worker without a supervisor answers for itself.
            for worker, view in sorted(content.get("workers", {"worker-0": content}).items()):
                yield _near_row(f"{worker} of {instance}" if several else worker, view)
    else:
        yield _row("near cache", "the worker that answered", _fields(explanation.near_cache))
    for name, layer in _LAYERS:
        yield _row(name, "", _fields(getattr(explanation, layer)))


def _near_row(where: str, view: Mapping[str, Any] | None) -> LayerRow:
    if view is None:
        return _row("near cache", where, {"error": "this worker does not answer"})
    return _row("near cache", where, view)


def _fields(view: pb.LayerView) -> dict[str, Any]:
    return {each.name: getattr(view, each.name) for each in pb.LayerView.DESCRIPTOR.fields}


def _row(name: str, where: str, view: Mapping[str, Any]) -> LayerRow:
    def text(field_name: str) -> str:
        return str(view.get(field_name) or "")

    error = text("error")
    state = "unreadable" if error else "present" if view.get("present") else "absent"
    detail = "; ".join(filter(None, (error, text("detail"))))
    seconds = view.get("age_seconds") or None
    shown_age = "" if seconds is None else age_text(seconds)
    still = "it is held otherwise in memory" if "still holds" in detail else ""
    return LayerRow(name, where, state, text("account_id"), text("state"), text("revision"), shown_age, detail, still)


def _marked(rows: Sequence[LayerRow], document: pb.LayerView) -> list[LayerRow]:
    """Mark the caches that disagree with the number document; without one that can be read, none is marked."""
    if document.error:
        return list(rows)
    return [_mark(row, document) if row.name in _CACHES and row.state == "present" else row for row in rows]


def _mark(row: LayerRow, document: pb.LayerView) -> LayerRow:
    differences = []
    if not document.present:
        if row.account:
            differences.append("there is no document")
    else:
        pairs = (
            ("revision", row.revision, document.revision),
            ("account", row.account, document.account_id),
            ("state", row.number_state, document.state),
        )
        differences = [f"another {name}" for name, held, wanted in pairs if held and held != wanted]
    if not differences:
        return row
    values = {name: getattr(row, name) for name in LayerRow.__slots__} | {"differs": ", ".join(differences)}
    return LayerRow(**values)


def _follower(view: pb.FollowerView) -> str:
    if view.error:
        return f"can't be asked: {view.error}"
    if not view.alive:
        return "none leads: changes are not applied"
    behind = f"{view.lag_seconds:.1f} s behind" if view.lag_seconds else "up to date"
    moved = f", last change applied {age_text(view.age_seconds)} ago" if view.age_seconds else ""
    return f"{view.leader}, {behind} in this database{moved}"
