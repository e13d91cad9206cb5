"""Answers for numbers that are known to have no document."""

from router.lookup.account_status import AccountStatusReader
from router.lookup.call import Call
from router.lookup.responder import Responder
from router.lookup.sources.near import NearCacheSource

_NEAR_TTL = 2.0
"""Seconds that "no such number" stays in the near cache: Redis may report an expiry late."""


class NegativeAnswers:
    """Answers by the port requests in memory, for a negative entry, a tombstone or a negative range.

    Args:
        near: keeps the refusals in the worker's memory; None without a near cache.
    """

    def __init__(self, accounts: AccountStatusReader, responder: Responder, near: NearCacheSource | None) -> None:
        self._accounts = accounts
        self._responder = responder
        self._near = near

    def answer(self, call: Call, source: str, generation: int) -> bool:
        """Answer a call; return False where memory does not hold all port requests, and the database decides.

        Args:
            source: store that shows the document to be missing.
        """
        port_requests = self._accounts.held_port_requests(call.e164)
        if port_requests is None:
            return False
        call.source = source
        refusal = self._responder.answer_without_document(call, port_requests)
        if refusal is not None and self._near is not None:
            self._near.keep_refusal(call, refusal, generation, _NEAR_TTL)
        return True
