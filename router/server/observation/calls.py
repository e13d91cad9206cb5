"""Counts gRPC calls as gRFC A66 does: calls that started, and the durations of those that ended, by status."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import grpc

from router.runtime.counters import LabelledCounters
from router.runtime.histograms import DURATION_BOUNDS, Histograms, HistogramSnapshot, Labels, rebin
from router.v1 import inbound_pb2, numbers_pb2

METHODS = frozenset(
    f"{service.full_name}/{method.name}"
    for file in (inbound_pb2.DESCRIPTOR, numbers_pb2.DESCRIPTOR)
    for service in file.services_by_name.values()
    for method in service.methods
)
"""Full names of the service's own methods."""
_NAMES = {code.value[0]: code.name for code in grpc.StatusCode}


def status_name(code: int) -> str:
    """Return the name of a gRPC status."""
    return _NAMES.get(code, "UNKNOWN")


def cancelled_status(remaining: float | None) -> str:
    """Return the name of the status of a call that ended before its response.

    Args:
        remaining: seconds until its deadline; None for none.
    """
    return "CANCELLED" if remaining is None or remaining > 0 else "DEADLINE_EXCEEDED"


@dataclass(frozen=True, slots=True)
class CallStatistics:
    """Calls of gRPC methods.

    Attributes:
        started: by method.
        durations: seconds, by method and status.
    """

    started: Mapping[Labels, int]
    durations: Mapping[Labels, HistogramSnapshot]

    def __add__(self, other: "CallStatistics") -> "CallStatistics":
        started = dict(self.started)
        for method, count in other.started.items():
            started[method] = started.get(method, 0) + count
        durations = dict(self.durations)
        for labels, snapshot in other.durations.items():
            durations[labels] = durations[labels] + snapshot if labels in durations else snapshot
        return CallStatistics(started, durations)


class GrpcCalls:
    """Counts the calls of a grpcio server."""

    def __init__(self) -> None:
        self._started = LabelledCounters()
        self._durations = Histograms(DURATION_BOUNDS)

    def start(self, method: str) -> None:
        """Count a call that started; `method` is its full name without a leading slash."""
        self._started.add((method,))

    def end(self, method: str, status: str, seconds: float) -> None:
        """Count a call that ended."""
        self._durations.observe((method, status), seconds)

    def all(self) -> CallStatistics:
        """Return all counts."""
        return CallStatistics(self._started.all(), self._durations.all())


def native_statistics(counted: Mapping[str, Any] | None) -> CallStatistics:
    """Return the counts of pygrpc_native's `metrics()`."""
    if counted is None:
        return CallStatistics({}, {})
    started: dict[Labels, int] = {}
    durations: dict[Labels, HistogramSnapshot] = {}
    bounds = tuple(counted["bounds"])
    for path, calls in counted["methods"].items():
        method = path.removeprefix("/")
        started[(method,)] = calls["started"]
        for code, each in calls["status"].items():
            buckets = rebin(each["buckets"], bounds, DURATION_BOUNDS)
            durations[(method, status_name(code))] = HistogramSnapshot(buckets, each["sum"])
    return CallStatistics(started, durations)
