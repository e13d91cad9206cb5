"""Callers who ask all the time, and writers who change owners all the time."""

import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Any

import grpc

from router.cli.via.view import Question, SwitchView
from router.cli.via.ways import WAYS
from router.couch.errors import ConflictError, CouchError, NotFoundError
from router.lifecycle.operations import SYSTEM, Operation, OperationRequest
from router.manager.manager import NumberManager
from router.manager.outcomes import Outcome
from router.numbers.shards import shard_for
from router.runtime.addresses import Address
from router.stores.clients import Stores
from router.v1 import inbound_pb2 as pb
from router.v1.inbound_pb2_grpc import InboundRouterStub
from tests.faults.deployment import ABSENT, EACH, NUMBERS, Deployment
from tests.faults.ledger import NOBODY, Answer, Claim, Ledger
from tests.integration.lookup_client import Refusal, outcome, request

CALLERS, WRITERS = 6, 2
LIMIT = 1.0
"""Seconds that a caller gives a call."""
_CALL_INTERVAL = 0.006
_SWITCH_INTERVAL = 0.02
_WRITE_INTERVAL = 0.06
_AUTHORITATIVE, _UNKNOWN = 0.06, 0.04
_OF_FEW_COPIES = "too few CouchDB nodes stored the change"
"""A warning: the change is in conflict if the other nodes were given another one."""
_BY_HAND = (1.0, 1.0, 0.5, 0.0)
_OFTEN = (0.1, 1.0, 1.0, 1.0)
"""The way each of a database's numbers is changed, in turn: how many of the changes are made by hand, and how often. A
number that is changed by hand, and rarely, is the one that nothing but the follower sets right."""
_CHANNEL = [
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 300),
]
_OVER_A_LINK = [
    *_CHANNEL,
    ("grpc.keepalive_time_ms", 1000),
    ("grpc.keepalive_timeout_ms", 1000),
    ("grpc.http2.ping_timeout_ms", 1000),
]
"""As docs/switches.md has it, but sooner: a connection that nobody hung up on is noticed."""


class Callers:
    """Ask for numbers at random, each over a connection of its own.

    Args:
        way_in: where every other caller calls instead.
        switches: where HTTP, SIP and ENUM are answered, one caller for each; those that are not there have no caller.

    Attributes:
        answers: what they were told.
        oversleep: the longest time that this process was held up beyond a sleep's end: what a call's measured end may
            be late by without anybody's fault.
    """

    def __init__(
        self, target: str, seed: int, way_in: str | None = None, switches: Mapping[str, Address] | None = None
    ) -> None:
        self._target = target
        self._switches = switches or {}
        self._way_in = way_in
        self._answered = [0.0] * (CALLERS + len(self._switches))
        self._seed = seed
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask_on, args=(each,), daemon=True) for each in range(CALLERS)]
        for index, way in enumerate(self._switches, CALLERS):
            self._threads.append(threading.Thread(target=self._ask_by, args=(index, way), daemon=True))
        self._threads.append(threading.Thread(target=self._watch_sleep, daemon=True))
        self.answers: list[Answer] = []
        self.oversleep = 0.0

    def start(self) -> None:
        """Begin."""
        for each in self._threads:
            each.start()

    def stop(self) -> None:
        """End."""
        self._stop.set()
        for each in self._threads:
            each.join(LIMIT + 5)

    def are_answered(self, since: float) -> bool:
        """Return whether each caller got a result of a call that it began since then, over the connection it has."""
        return min(self._answered) >= since

    def _ask_on(self, index: int) -> None:
        chance = random.Random(self._seed * 1000 + index)
        link = self._way_in if index % 2 else None
        options = _OVER_A_LINK if link else _CHANNEL
        with grpc.insecure_channel(link or self._target, options=options) as channel:
            stub = InboundRouterStub(channel)
            while not self._stop.is_set():
                answer = replace(_ask(stub, chance), direct=link is None)
                self.answers.append(answer)
                if answer.account is not None:
                    self._answered[index] = answer.began
                time.sleep(_CALL_INTERVAL * 2 * chance.random())

    def _ask_by(self, index: int, way: str) -> None:
        chance = random.Random(self._seed * 1000 + index)
        target, ask = self._switches[way], WAYS[way].ask
        while not self._stop.is_set():
            answer = _ask_switch(way, ask, target, chance)
            self.answers.append(answer)
            if answer.account is not None:
                self._answered[index] = answer.began
            time.sleep(_SWITCH_INTERVAL * 2 * chance.random())

    def _watch_sleep(self) -> None:
        while not self._stop.is_set():
            began = time.monotonic()
            time.sleep(0.01)
            self.oversleep = max(self.oversleep, time.monotonic() - began - 0.01)


def _ask(stub: InboundRouterStub, chance: random.Random) -> Answer:
    number = chance.choice(ABSENT if chance.random() < _UNKNOWN else NUMBERS)
    authoritative = chance.random() < _AUTHORITATIVE
    began = time.monotonic()
    reply = outcome(stub.Lookup.future(request(number, authoritative=authoritative), timeout=LIMIT))
    return answer_of(number, began, reply, authoritative=authoritative)


def _ask_switch(way: str, ask: Callable[[Question], SwitchView], target: Address, chance: random.Random) -> Answer:
    number = chance.choice(ABSENT if chance.random() < _UNKNOWN else NUMBERS)
    began = time.monotonic()
    try:
        result = ask(Question(target, number, "", authoritative=False, timeout=LIMIT)).result
    except OSError as problem:
        why = "DEADLINE_EXCEEDED" if isinstance(problem, TimeoutError) else "UNAVAILABLE"
        return _switch_answer(number, began, None, why=why)
    if result.route is not None:
        route = result.route
        account = route.account_id if route.number == number else f"an answer for {route.number}"
        # ENUM can't say that an answer may be stale, so that each of its answers counts as one that says so.
        return _switch_answer(number, began, account, stale=route.stale or way == "enum")
    if result.status == "NOT_FOUND":
        return _switch_answer(number, began, NOBODY)
    # SERVFAIL is all that ENUM has for a number that is not known now.
    reason = "NUMBER_DATABASE_UNAVAILABLE" if way == "enum" and result.status == "UNAVAILABLE" else result.reason
    return _switch_answer(number, began, None, why=reason or result.status)


def _switch_answer(number: str, began: float, account: str | None, *, stale: bool = False, why: str = "") -> Answer:
    return Answer(number, began, time.monotonic(), account, stale, False, why, LIMIT, direct=False)


def answer_of(
    number: str,
    began: float,
    reply: pb.LookupResponse | Refusal,
    *,
    authoritative: bool = False,
    limit: float = LIMIT,
) -> Answer:
    """Return a caller's result as the ledger judges it."""
    ended = time.monotonic()
    if isinstance(reply, pb.LookupResponse):
        result = reply.account_id if reply.number == number else f"an answer for {reply.number}"
        return Answer(number, began, ended, result, reply.stale, authoritative, limit=limit)
    why = reply.reason or reply.code.name
    reported_nothing = reply.code is not grpc.StatusCode.NOT_FOUND
    return Answer(number, began, ended, None if reported_nothing else NOBODY, False, authoritative, why, limit)


class Writers:
    """Change owners at random: some by the number manager, over the service's links, some by hand.

    Each looks after numbers of its own, so that claims on one come one after the other.

    Attributes:
        quiet: promised for changes by hand, and for those that the number manager warned about.
        forgets: Redis may lose what it acknowledged: then that holds for all changes.
        by_hand: some changes are made by hand.
        contested: a change that a majority of a cluster's nodes is not known to have may be one side of a conflict.
        turns: each writer holds its own while it writes.
        done: acknowledged changes.
    """

    def __init__(self, deployment: Deployment, ledger: Ledger, seed: int, accounts: Iterator[str]) -> None:
        settings = deployment.settings("service")
        self._deployment = deployment
        self._manager = NumberManager(settings, Stores(settings))
        self.ledger = ledger
        self._seed = seed
        self._accounts = accounts
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._write_on, args=(each,), daemon=True) for each in range(WRITERS)]
        self.turns = [threading.Lock() for _ in range(WRITERS)]
        self.quiet = 0.0
        self.forgets = False
        self.by_hand = True
        self.contested = deployment.cluster is not None
        self.done = 0

    def start(self) -> None:
        """Begin."""
        for each in self._threads:
            each.start()

    def stop(self) -> None:
        """End."""
        self._stop.set()
        for each in self._threads:
            each.join(10)
        self._manager.close()

    def _write_on(self, index: int) -> None:
        chance = random.Random(self._seed * 1000 + 500 + index)
        mine = range(index, len(NUMBERS), WRITERS)
        while not self._stop.is_set():
            chosen = chance.choices(mine, [_OFTEN[each % EACH] for each in mine])[0]
            number, by_hand = NUMBERS[chosen], chance.random() < _BY_HAND[chosen % EACH] and self.by_hand
            with self.turns[index]:
                (self.write_by_hand if by_hand else self._write_by_manager)(number)
            self._stop.wait(_WRITE_INTERVAL * 2 * chance.random())

    def write_by_hand(self, number: str) -> None:
        """One change, past the service's links; its writer's turn is the caller's."""
        account = self.next_account()
        database = str(shard_for(number))
        fields: dict[str, Any] = {"pvt_type": "number", "pvt_number_state": "in_service"}
        try:
            document = dict(self._deployment.databases.database(database).get(number))
        except NotFoundError:
            document = {"_id": number, **fields}
        except CouchError:
            return
        claim = self.ledger.claim(number, account, contested=self.contested)
        try:
            has_majority = self._put(database, {**document, "pvt_assigned_to": account})
        except (ConflictError, NotFoundError):
            claim.void = True
        except CouchError:
            return
        else:
            if has_majority:
                self._acknowledge(claim, self.quiet)

    def _put(self, database: str, document: dict[str, Any]) -> bool:
        """Write a document as other programs do, which don't look again; returns whether a majority of copies has it.

        Raises:
            CouchError: as `CouchServer.put`, but for `UnconfirmedError`.
        """
        couch = self._deployment.databases.client
        answer = couch.send("PUT", [database, str(document["_id"])], document)
        return answer.status != HTTPStatus.ACCEPTED

    def _write_by_manager(self, number: str) -> None:
        account = self.next_account()
        claim = self.ledger.claim(number, account, contested=self.contested)
        made: Outcome = self._manager.carry_out([OperationRequest(Operation.MOVE, number, SYSTEM, assign_to=account)])[
            0
        ]
        if made.error is None and not any(_OF_FEW_COPIES in each for each in made.warnings):
            self._acknowledge(claim, self.quiet if made.warnings or self.forgets else 0.0)

    def next_account(self) -> str:
        """An account that nobody had yet."""
        with self._lock:
            return next(self._accounts)

    def _acknowledge(self, claim: Claim, quiet: float) -> None:
        self.ledger.acknowledge(claim, quiet)
        self.done += 1
