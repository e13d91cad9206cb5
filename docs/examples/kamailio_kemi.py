"""For Kamailio's app_python3: asks did-router for each new call from a carrier."""

import KSR
from did_lookup import DidRouter

TARGET = "127.0.0.1:50051"
UNAVAILABLE = 503


def mod_init():
    """Kamailio calls it once, before it forks."""
    return Kamailio()


class Kamailio:
    """Each worker process has one."""

    def __init__(self):
        self.router = None

    def child_init(self, _rank):
        """After the fork: only now may gRPC begin."""
        self.router = DidRouter(TARGET)
        return 0

    def ksr_request_route(self, _msg):
        """Only what matters here: the first INVITE of a call."""
        if not KSR.is_INVITE() or KSR.siputils.has_totag() > 0:
            return 1
        answer = self.router.lookup(KSR.pv.get("$ru"))
        if answer.route is None:
            KSR.info(f"{KSR.pv.get('$ci')}: {answer.reason or answer.status}: {answer.message}\n")
            code, words = answer.sip
            if code == UNAVAILABLE:
                KSR.hdr.append_to_reply("Retry-After: 1\r\n")
            KSR.sl.sl_send_reply(code, words)
            return -255
        route = answer.route
        KSR.pv.sets("$rU", route.number)
        KSR.hdr.append(f"X-Account-ID: {route.account_id}\r\n")
        if route.pending_port:
            KSR.hdr.append("X-Pending-Port: true\r\n")
        return 1
