"""Responder: gives calls their answers, and counts them. Every answer source uses it."""

from collections.abc import Sequence

from router.entries.codec import REFUSAL, ROUTE, Entry, port_request_response, refusal_of, route_suffix
from router.entries.reference_values import ActivePortRequest
from router.lookup.account_status import AccountStatus, AccountStatusReader
from router.lookup.active_rules import ActiveRules
from router.lookup.call import Call
from router.numbers.routes import Reason, Refused, port_request_route
from router.runtime.counters import Counters
from router.trust.monitor import TrustMonitor
from router.trust.trust import FRESH
from router.v1 import inbound_pb2 as pb

_ACCOUNT_MESSAGES = {
    AccountStatus.DISABLED: "is disabled (pvt_enabled in the accounts database)",
    AccountStatus.MISSING: "has no document in the accounts database, or one marked deleted: "
    "assign the number to an account that exists (unknown_account is refuse)",
}


class Responder:
    """Answers calls; threads share it.

    Attributes:
        counts: outcomes by name, for metrics.
    """

    def __init__(self, accounts: AccountStatusReader, rules: ActiveRules, trust: TrustMonitor) -> None:
        self._accounts = accounts
        self._rules = rules
        self._trust = trust
        self.counts = Counters()

    def refuse(self, call: Call, refusal: Refused) -> None:
        """Refuse a call."""
        self.counts.add(refusal.reason.value)
        call.refuse(refusal)

    def refuse_account(self, call: Call, account: str, payload: bytes, status: AccountStatus) -> None:
        """Refuse a call because of the account that its number belongs to.

        Args:
            payload: the serialised route.
        """
        state = pb.LookupResponse.FromString(payload).state
        message = f"account {account} {_ACCOUNT_MESSAGES[status]}"
        self.refuse(call, Refused(Reason.ACCOUNT_DISABLED, call.e164, account, state, message))

    def answer_without_document(self, call: Call, port_requests: Sequence[ActivePortRequest]) -> Refused | None:
        """Answer for a number without a document: exactly one active port request routes it.

        Returns:
            The refusal; None where the call was routed.
        """
        if len(port_requests) == 1 and self._rules.current.fetch_account_from_ports:
            self.counts.add("port_request")
            route = port_request_route(call.e164, port_requests[0].account_id)
            is_current = call.authoritative or self._trust.current.reference is FRESH
            call.route(port_request_response(route, stale=not is_current))
            return None
        refusal = Refused(Reason.NUMBER_NOT_FOUND, call.e164, message=f"there is no number document {call.e164}")
        self.refuse(call, refusal)
        return refusal

    def answer_from_database(self, call: Call, entry: Entry) -> None:
        """Answer with an entry that was just read from the number database.

        Raises:
            CouchError: account or port requests had to be read, and CouchDB did not respond.
        """
        if entry.kind == REFUSAL:
            self.refuse(call, refusal_of(entry.payload, call.e164))
            return
        if entry.kind != ROUTE:
            port_requests = self._accounts.port_requests(call.e164, authoritative=call.authoritative)
            self.answer_without_document(call, port_requests)
            return
        account = entry.account_id
        status = self._accounts.status(account, authoritative=call.authoritative)
        if status is not AccountStatus.ENABLED:
            self.refuse_account(call, account, entry.payload, status)
            return
        self.counts.add("number_database")
        call.route(entry.payload + route_suffix(call.e164, entry.version, pb.NUMBER_DATABASE, stale=False))
