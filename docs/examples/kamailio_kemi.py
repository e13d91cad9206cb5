"""A whole inbound proxy for Kamailio's app_python3 (KEMI): asks did-router for each new call, then relays it.

Settings come from the service's environment, as PYTHONPATH does.
"""

import os

import KSR
from did_lookup import open_client

NEXT_HOP = os.environ.get("DID_LOOKUP_NEXT_HOP", "sip:127.0.0.1:5080")
"""The switch that takes the calls; it must take them from this proxy alone, because it trusts OUR_HEADERS."""

OUR_HEADERS = ("X-Account-ID", "X-Pending-Port")
MAX_FORWARDS = 70


def mod_init():
    """Kamailio calls it once, before it forks."""
    return Kamailio()


class Kamailio:
    """Each process has one; each method is called by Kamailio."""

    def __init__(self):
        self.router = None

    def child_init(self, rank):
        """After the fork, when gRPC may begin; only SIP workers (rank above 0) ask."""
        if rank > 0:
            self.router = open_client()
        return 0

    def ksr_request_route(self, _msg):
        """Every request."""
        for name in OUR_HEADERS:  # a carrier must not pose as an account
            KSR.hdr.remove(name)
        if KSR.is_ACK():  # never answered, whatever is wrong with it
            _relay_ack()
        elif KSR.maxfwd.process_maxfwd(MAX_FORWARDS) < 0:
            KSR.sl.sl_send_reply(483, "Too Many Hops")
        elif KSR.is_CANCEL():
            _relay_cancel()
        elif KSR.siputils.has_totag() > 0:
            _relay_in_dialog()
        elif KSR.is_OPTIONS():
            KSR.sl.sl_send_reply(200, "OK")
        elif not KSR.is_INVITE():
            KSR.hdr.append_to_reply("Allow: INVITE, ACK, CANCEL, BYE, OPTIONS\r\n")
            KSR.sl.sl_send_reply(405, "Method Not Allowed")
        else:
            self._route_call()
        return 1

    def ksr_reply_route(self, _msg):
        """Every response: relayed as it is."""
        return 1

    def ksr_onsend_route(self, _msg):
        """Every request sent: Kamailio 5.6 logs an AttributeError for each where this is missing."""
        return 1

    def _route_call(self):
        dialled = _text("$ru")
        if dialled is None:
            KSR.sl.sl_send_reply(400, "Bad Request-URI")
            return
        if KSR.tm.t_newtran() <= 0:  # a retransmission, also of a call that another worker looks up now: answered again
            return
        KSR.tm.t_reply(100, "Trying")  # the carrier waits during the lookup
        KSR.tm.t_set_auto_inv_100(0)
        answer = self.router.lookup(dialled)
        if answer.route is None:
            _refuse(answer)
            return
        KSR.pv.sets("$rU", answer.route.number)
        KSR.hdr.append(f"X-Account-ID: {answer.route.account_id}\r\n")
        if answer.route.pending_port:
            KSR.hdr.append("X-Pending-Port: true\r\n")
        KSR.hdr.remove("Route")  # a route that the carrier wrote would lead past NEXT_HOP
        KSR.rr.record_route()
        KSR.pv.sets("$du", NEXT_HOP)
        if KSR.tm.t_relay() < 0:
            KSR.tm.t_reply(500, "Server Internal Error")


def _relay_ack():
    """A 2xx's ACK follows its Route; a refusal's ends here, with its transaction."""
    if (KSR.siputils.has_totag() > 0 and KSR.rr.loose_route() > 0) or KSR.tm.t_check_trans() > 0:
        KSR.tm.t_relay()


def _relay_cancel():
    if KSR.tm.t_check_trans() > 0:
        KSR.tm.t_relay()
    else:
        KSR.sl.sl_send_reply(481, "Call/Transaction Does Not Exist")


def _relay_in_dialog():
    if KSR.rr.loose_route() > 0:
        KSR.tm.t_relay()
    else:
        KSR.sl.sl_send_reply(404, "Not Here")


def _refuse(answer):
    KSR.info(f"{_text('$ci')}: {answer.reason or answer.status}: {answer.message}\n")
    if answer.retry_after is not None:
        KSR.hdr.append_to_reply(f"Retry-After: {answer.retry_after}\r\n")
    KSR.tm.t_reply(*answer.sip)


def _text(name):
    """Return a pseudo-variable, or None where its bytes aren't UTF-8: KSR.pv.get raises for those."""
    try:
        return KSR.pv.get(name)
    except UnicodeDecodeError:
        return None
