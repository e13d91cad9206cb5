"""FreeSWITCH's mod_xml_curl: a dialplan made of a lookup's result.

mod_xml_curl takes no other status than 200. So a refusal is a dialplan, too: `respond` with the SIP response. The
answer for any context but that of inbound calls is "not found": FreeSWITCH then reads its own files, which define the
account's context that the call is transferred to.
"""

from collections.abc import Mapping
from xml.sax.saxutils import quoteattr

from router.server.api.sip_status import SipStatus
from router.v1 import inbound_pb2 as pb

CONTENT_TYPE = b"text/xml"
DESTINATION, CONTEXT = "Caller-Destination-Number", "Caller-Context"
"""Names in the form that mod_xml_curl sends."""

NOT_OURS = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n'
    b'<document type="freeswitch/xml"><section name="result"><result status="not found"/></section></document>\n'
)
"""Tells FreeSWITCH to go on with its own configuration."""


def routed(context: str, route: pb.LookupResponse) -> bytes:
    """Return a dialplan that names the account in channel variables and transfers the call to its context."""
    variables = {
        "did_account": route.account_id,
        "did_number": route.number,
        "did_state": route.state,
        "did_prepend": route.prepend,
        "did_pending_port": "true" if route.pending_port else "false",
        "did_stale": "true" if route.stale else "false",
    }
    actions = [("set", f"{name}={_inert(value)}") for name, value in variables.items()]
    return _dialplan(context, [*actions, ("transfer", f"{route.number} XML {_inert(route.account_id)}")])


def refused(context: str, reason: str, sip: SipStatus) -> bytes:
    """Return a dialplan that ends the call with a SIP response."""
    return _dialplan(context, [("set", f"did_status={reason}"), ("respond", f"{sip.code} {sip.reason}")])


def destination_of(form: Mapping[str, str]) -> str:
    """Return the dialled number."""
    return form.get(DESTINATION, "")


def _inert(value: str) -> str:
    """Return a document's text without `$`: FreeSWITCH expands `${…}` in an action's data, and runs commands there."""
    return " ".join(value.replace("$", "").split())


def _dialplan(context: str, actions: list[tuple[str, str]]) -> bytes:
    lines = "".join(f"<action application={quoteattr(name)} data={quoteattr(data)}/>" for name, data in actions)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<document type="freeswitch/xml"><section name="dialplan">'
        f'<context name={quoteattr(context)}><extension name="did-router"><condition>{lines}</condition></extension>'
        "</context></section></document>\n"
    ).encode("ascii", "xmlcharrefreplace")
