"""Exports the counts of callers by their tokens."""

from collections.abc import Iterator

from prometheus_client.core import Metric

from router.server.auth.authorizer import TokenCounts
from router.server.observation import definitions as names
from router.server.observation.families import family


def token_metrics(counts: TokenCounts) -> Iterator[Metric]:
    """Yield the metrics of an authorizer."""
    yield family(names.TOKEN_CALLS, counts.calls.all())
    yield family(names.TOKENS_REFUSED, counts.refused.all())
