"""Exports what the supervisor of `serve` knows: its processes' restarts, the certificates, tokens."""

from collections.abc import Callable, Iterator, Mapping

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from router.server.admin.token_metrics import token_metrics
from router.server.auth.authorizer import TokenCounts
from router.server.auth.certificate_expiry import earliest_expiry
from router.server.auth.tls_files import Certificates
from router.server.observation import definitions as names
from router.server.observation.families import family


class SupervisorMetrics(Collector):
    """Collects the supervisor's metrics.

    Args:
        restarts: returns the restarts by the processes' names.
        tokens: callers of the admin pages.
    """

    def __init__(
        self,
        restarts: Callable[[], Mapping[str, int]],
        certificates: Certificates | None,
        tokens: TokenCounts | None,
    ) -> None:
        self._restarts = restarts
        self._certificates = certificates
        self._tokens = tokens

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics."""
        yield family(names.WORKER_RESTARTS, {(name,): float(count) for name, count in self._restarts().items()})
        if self._tokens is not None:
            yield from token_metrics(self._tokens)
        if self._certificates is not None:
            yield self._expiry(self._certificates)

    def _expiry(self, certificates: Certificates) -> Metric:
        pems = certificates.pems()
        expiries = {("tls_certificate",): earliest_expiry(pems.certificate)}
        if pems.roots is not None:
            expiries[("tls_client_ca",)] = earliest_expiry(pems.roots)
        return family(names.CERTIFICATE, {labels: expiry for labels, expiry in expiries.items() if expiry is not None})
