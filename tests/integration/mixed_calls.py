"""Ten thousand mixed lookups by each way of asking, and what their callers saw."""

import random
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple
from urllib.parse import quote

import grpc
from prometheus_client.parser import text_string_to_metric_families

from router.cli.via.enum import ask_enum
from router.cli.via.sip import ask_sip
from router.cli.via.view import Question, SwitchView
from router.runtime.addresses import Address
from router.runtime.histograms import DURATION_BOUNDS
from router.server.app import Service
from router.v1 import inbound_pb2 as pb
from tests.integration.http_lookup_client import HttpLookupClient
from tests.integration.lookup_client import Refusal, request, result_of

CALLERS = 16
PATIENCE = 20.0
HITS = [f"+1415886{index:04}" for index in range(50)]
UNKNOWN = [f"+1415777{index:04}" for index in range(200)]
SLOW = [f"+1999886{index:04}" for index in range(10)]
"""Their database does not answer: the service says so shortly before the deadline."""
MORE_THAN_FIT = [f"+1999777{index:04}" for index in range(300)]
OUT_OF_SERVICE, UNASSIGNED, DISABLED, NO_NUMBER = "+14158860100", "+14158860101", "+14158860102", "reception"
WEIGHTS = {"hit": 720, "unknown": 80, OUT_OF_SERVICE: 50, UNASSIGNED: 50, DISABLED: 50, NO_NUMBER: 30, "slow": 20}


class Seen(NamedTuple):
    """One call as its caller saw it.

    Attributes:
        status: as the way's own protocol names it.
        reason: of a refusal; empty for a route.
    """

    status: str
    reason: str
    seconds: float


@dataclass
class Counts:
    """Counts of what callers saw, or of what a service counted.

    Attributes:
        statuses: calls by status; reasons: lookups by reason.
        buckets: durations in each bucket.
    """

    statuses: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    buckets: Counter[int] = field(default_factory=Counter)

    def add(self, seen: Seen) -> None:
        self.statuses[seen.status] += 1
        self.reasons[seen.reason] += 1
        self.buckets[bisect_left(DURATION_BOUNDS, seen.seconds)] += 1

    def since(self, before: "Counts") -> "Counts":
        pairs = zip(vars(self).values(), vars(before).values(), strict=True)
        return Counts(*(now - then for now, then in pairs))

    @property
    def p99_bucket(self) -> int:
        """The bucket of the 99th percentile."""
        left = sum(self.buckets.values()) // 100
        for bucket in sorted(self.buckets, reverse=True):
            left -= self.buckets[bucket]
            if left < 0:
                return bucket
        raise AssertionError("no call was counted")


AskOne = Callable[[str], Seen]
Way = Callable[[Question], SwitchView]


def numbers(count: int, *, with_text: bool) -> list[str]:
    """Return a shuffled mix of numbers to ask for."""
    chosen = random.Random(7)
    weights = {kind: weight for kind, weight in WEIGHTS.items() if with_text or kind != NO_NUMBER}
    kinds = chosen.choices(list(weights), list(weights.values()), k=count)
    pools: dict[str, Sequence[str]] = {"hit": HITS, "unknown": UNKNOWN, "slow": SLOW}
    return [chosen.choice(pools.get(kind, (kind,))) for kind in kinds]


def ask_all(asks: Sequence[AskOne], wanted: Sequence[str]) -> Counts:
    """AskOne for all numbers, each caller one after the other."""
    seen = Counts()
    with ThreadPoolExecutor(len(asks)) as pool:
        shares = [
            pool.submit(lambda ask, part: [ask(number) for number in part], ask, wanted[index :: len(asks)])
            for index, ask in enumerate(asks)
        ]
        for share in shares:
            for each in share.result():
                seen.add(each)
    return seen


@contextmanager
def grpc_callers(service: Service, count: int) -> Iterator[list[AskOne]]:
    channels = [
        grpc.insecure_channel(f"127.0.0.1:{service.transport.port}", [("grpc.use_local_subchannel_pool", 1)])
        for _ in range(count)
    ]

    def caller(channel: grpc.Channel) -> AskOne:
        lookup: Any = channel.unary_unary(
            "/router.v1.InboundRouter/Lookup",
            request_serializer=pb.LookupRequest.SerializeToString,
            response_deserializer=pb.LookupResponse.FromString,
        )

        def ask(number: str) -> Seen:
            began = time.perf_counter()
            found = result_of(lambda: lookup(request(number, ""), timeout=PATIENCE))
            seconds = time.perf_counter() - began
            if isinstance(found, Refusal):
                return Seen(found.code.name, found.reason or found.code.name, seconds)
            return Seen("OK", "", seconds)

        return ask

    yield [caller(channel) for channel in channels]
    for channel in channels:
        channel.close()


def _switch_caller(
    way: Callable[[Question], SwitchView], port: int, read: Callable[[SwitchView], tuple[str, str]]
) -> AskOne:
    def ask(number: str) -> Seen:
        question = Question(Address("127.0.0.1", port), number, "", authoritative=False, timeout=0.3)
        began = time.perf_counter()
        view = way(question)
        seconds = time.perf_counter() - began
        return Seen(*read(view), seconds)

    return ask


def _patient(way: Way) -> Way:
    """Wait longer for a datagram than a service takes."""
    return lambda question: way(replace(question, timeout=PATIENCE))


@contextmanager
def http_callers(service: Service, count: int) -> Iterator[list[AskOne]]:
    callers = [HttpLookupClient(service.http.port) for _ in range(count)]

    def asks(caller: HttpLookupClient) -> AskOne:
        def ask(number: str) -> Seen:
            began = time.perf_counter()
            reply = caller.get(f"/v1/lookup/{quote(number, safe='')}")
            seconds = time.perf_counter() - began
            error = reply.json.get("error")
            reason = "" if error is None else error["details"][0]["reason"] if error["details"] else error["status"]
            return Seen(str(reply.status), reason, seconds)

        return ask

    with ExitStack() as opened:
        yield [asks(opened.enter_context(caller)) for caller in callers]


def sip_callers(service: Service, count: int) -> list[AskOne]:
    def read(view: SwitchView) -> tuple[str, str]:
        return view.text.split(" ", 1)[0], view.result.reason

    return [_switch_caller(_patient(ask_sip), service.sip.port, read)] * count


def enum_callers(service: Service, count: int) -> list[AskOne]:
    def read(view: SwitchView) -> tuple[str, str]:
        found = view.result
        if found.status == "UNAVAILABLE":
            return found.message, "unavailable"
        refused = "" if found.route is not None else found.message.partition("@")[2].partition(".")[0]
        return "NOERROR", refused.upper().replace("-", "_")

    return [_switch_caller(_patient(ask_enum), service.enum.port, read)] * count


def counted(text: str, protocol: str, durations: str, **labels: str) -> Counts:
    """Return what a service counted of one protocol.

    Args:
        text: its page of metrics.
        durations: the histogram of its calls; labels: of those samples that count.
    """
    found = Counts()
    cumulated: Counter[float] = Counter()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == "did_router_lookups_total" and sample.labels["protocol"] == protocol:
                found.reasons[sample.labels["reason"]] += int(sample.value)
            if not sample.name.startswith(durations) or not labels.items() <= sample.labels.items():
                continue
            if sample.name == f"{durations}_count":
                [status] = [value for name, value in sample.labels.items() if name in _STATUS_LABELS]
                found.statuses[status] += int(sample.value)
            elif sample.name == f"{durations}_bucket":
                cumulated[float(sample.labels["le"])] += int(sample.value)
    before = 0
    for bucket, bound in enumerate(sorted(cumulated)):
        found.buckets[bucket] = int(cumulated[bound]) - before
        before = int(cumulated[bound])
    return found


_STATUS_LABELS = frozenset(("grpc_status", "http_response_status_code", "code", "rcode"))
