"""For FreeSWITCH's mod_python3: `<action application="python" data="freeswitch_did"/>`."""

from did_lookup import shared_client

CAUSES = {404: "UNALLOCATED_NUMBER", 480: "SUBSCRIBER_ABSENT", 503: "NORMAL_TEMPORARY_FAILURE"}
"""FreeSWITCH makes these SIP responses of them."""


def handler(session, args):
    """Set variables of the channel, or end the call.

    mod_python3 loads this file again for each call, so the client stays in did_lookup, which is loaded once.
    """
    answer = shared_client().lookup(args or session.getVariable("destination_number"))
    route = answer.route
    session.setVariable("did_status", "OK" if route else answer.reason or answer.status)
    if route is None:
        session.hangup(CAUSES[answer.sip[0]])
        return
    session.setVariable("did_account", route.account_id)
    session.setVariable("did_number", route.number)
    session.setVariable("did_prepend", route.prepend)
    session.setVariable("did_pending_port", "true" if route.pending_port else "false")
