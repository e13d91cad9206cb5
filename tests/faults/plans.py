"""Plans: the meaning of a seed, and what its deployment runs on."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.faults.deployment import Deployment
from tests.faults.faults import CALLERS_LINK, CATALOGUE, Fault
from tests.faults.forms import SINGLE
from tests.faults.nodes import Nodes

_SHORT, _LONG = (0.8, 2.5), (6.0, 8.0)
_WITH_COPIES = ", with copies"
NODES = 3
"""Of an imitated cluster."""
_LINKS_TO_COUCHDB = {"service-couchdb", "follower-couchdb"}


@dataclass(frozen=True, slots=True)
class Plan:
    """The meaning of a seed."""

    seed: int
    faults: tuple[str, ...]
    transport: str
    lasts: tuple[float, ...]
    offset: float
    copies: bool = False

    @property
    def keeps(self) -> bool:
        """Return whether Redis keeps data over a restart."""
        return any(CATALOGUE[name].forgets for name in self.faults)

    @property
    def clocks(self) -> bool:
        """Return whether wall clocks have to be such as can be set."""
        return any(CATALOGUE[name].clocks for name in self.faults)

    @property
    def hurts_callers(self) -> bool:
        """Return whether some callers have a link of their own, for it is in trouble."""
        return any(CATALOGUE[name].victim == CALLERS_LINK for name in self.faults)

    @property
    def spares_the_service(self) -> bool:
        """Return whether callers without that link have nothing to suffer."""
        return all(CATALOGUE[name].victim == CALLERS_LINK for name in self.faults)

    @property
    def form(self) -> str:
        """Of Redis."""
        return next((form for name in self.faults if (form := CATALOGUE[name].needs)), SINGLE)

    @property
    def on_nodes(self) -> bool:
        """Return whether CouchDB has to have several nodes."""
        return any(CATALOGUE[name].on_nodes for name in self.faults)

    @property
    def linked(self) -> bool:
        """Return whether a link to CouchDB is in trouble."""
        return any(CATALOGUE[name].victim in _LINKS_TO_COUCHDB for name in self.faults)

    @property
    def settings(self) -> dict[str, Any]:
        """Return the settings of the deployment."""
        return {name: value for fault in self.faults for name, value in CATALOGUE[fault].settings.items()}

    @property
    def name(self) -> str:
        """For people."""
        return " + ".join(self.faults) + (_WITH_COPIES if self.copies else "")


@dataclass(frozen=True, slots=True)
class Ground:
    """The servers of a soak's stages, beside what its plans need.

    Attributes:
        couchdb_url: a real CouchDB of one node.
        cluster: a real one of several.
        nodes: of the embedded one in every run; what needs several has at least NODES.
        documents: further numbers in each shard.
        settings: of every deployment.
    """

    couchdb_url: str | None = None
    cluster: Nodes | None = None
    nodes: int = 1
    documents: int = 0
    settings: Mapping[str, Any] = field(default_factory=dict)

    def allows(self, fault: Fault) -> bool:
        """Return whether a fault can be had on it."""
        if self.cluster is not None:
            return fault.suits(self.cluster.actions)
        if self.couchdb_url is not None:
            return not fault.needs_own_database and not fault.on_nodes
        return self.nodes == 1 or not fault.needs_own_database

    def deployment(self, plan: Plan) -> Deployment:
        """Return a deployment for a plan."""
        return Deployment(
            seed=plan.seed,
            transport=plan.transport,
            keeps=plan.keeps,
            form=plan.form,
            clocks=plan.clocks,
            copies=plan.copies,
            settings={**self.settings, **plan.settings},
            couchdb_url=self.couchdb_url,
            cluster=self.cluster,
            nodes=max(self.nodes, NODES) if plan.on_nodes else self.nodes,
            linked=plan.linked,
            documents=self.documents,
        )


def plan_of(
    seed: int, faults: Sequence[str] = (), *, names: Sequence[str] = (), alone: Sequence[str] = (), copies: bool = False
) -> Plan:
    """The plan of a seed: the catalogue's faults one by one, then random pairs of them.

    Args:
        faults: these instead.
        names: of the catalogue only these.
        alone: the faults that come one by one, each as often as it is named; each pair has one of them. Else all.
        copies: whether accounts have copies, where the faults allow for that.
    """
    chance = random.Random(seed)
    names = names or list(CATALOGUE)
    alone = alone or names
    pair = chance.sample(names, 2)
    while not _go_together(*(CATALOGUE[name] for name in pair)) or not set(pair) & set(alone):
        pair = chance.sample(names, 2)
    chosen = tuple(faults) or ((alone[seed],) if seed < len(alone) else tuple(pair))
    lasts = tuple(round(chance.uniform(*(_LONG if CATALOGUE[name].slow else _SHORT)), 2) for name in chosen)
    transport, offset = chance.choice(("native", "grpcio")), round(chance.uniform(0.0, 0.8), 2)
    allowed = all(CATALOGUE[name].keeps_account for name in chosen)
    return Plan(seed, chosen, transport, lasts, offset, copies and allowed)


def _go_together(one: Fault, other: Fault) -> bool:
    """Return whether they have victims of their own, and one Redis and one CouchDB will do for both."""
    if (one.on_nodes and (other.rewrites or other.needs_own_database)) or (
        other.on_nodes and (one.rewrites or one.needs_own_database)
    ):
        return False
    return one.victim != other.victim and len({one.needs, other.needs} - {None}) < 2
