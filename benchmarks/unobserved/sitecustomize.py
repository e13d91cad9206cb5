"""Switches the metrics of the hit path off in every process whose PYTHONPATH begins with this folder.

Only benchmarks.observation_cost uses it: the product has no such switch. Two readings of the clock for each batch, and
the counter of the call log's sample, remain.
"""

import functools
from typing import Any

import pygrpc_native

from router.runtime.counters import Counter
from router.server.observation.observation import BatchObserver

_with_metrics = pygrpc_native.NativeGrpcFront


@functools.wraps(_with_metrics)
def _without_metrics(*arguments: Any, **options: Any) -> Any:
    return _with_metrics(*arguments, **options | {"metrics": False})


def _count_nothing(*_: object) -> None:
    """Stand for a method that counts."""


# mypy forbids to assign these.
setattr(pygrpc_native, "NativeGrpcFront", _without_metrics)  # noqa: B010
setattr(BatchObserver, "add", _count_nothing)  # noqa: B010
setattr(Counter, "add", _count_nothing)  # noqa: B010 - of routes from the near cache
