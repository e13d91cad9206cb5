"""`POST /_imitation/{action}`: injects faults, for tests of separate processes. `GET /_imitation` shows the state.

The body is JSON: `{"node": 0}` names a node (its index in the list of URLs), with `"seconds"` for `lag`, `"on"`
for `maintenance`, and `"database"` instead of the node for `split`. For administrators, on any node's port: a frozen
node answers these requests, too.
"""

from collections.abc import Callable
from typing import Any

from router.embedded.cluster.faults import Faults
from router.embedded.couchdb.errors import bad_request, method_not_allowed, not_found
from router.embedded.couchdb.wire import Request, Responder

_WITH_ACTION = 2


class ControlEndpoint:
    """Answers the requests that inject faults."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._actions: dict[str, Callable[[dict[str, Any]], None]] = {
            "kill": lambda body: faults.kill(_node(body)),
            "start": lambda body: faults.start_node(_node(body)),
            "freeze": lambda body: faults.freeze(_node(body)),
            "thaw": lambda body: faults.thaw(_node(body)),
            "isolate": lambda body: faults.isolate(_node(body)),
            "join": lambda body: faults.join(_node(body)),
            "maintenance": lambda body: faults.maintenance(_node(body), on=bool(body.get("on", True))),
            "lag": lambda body: faults.lag(_node(body), _seconds(body)),
            "split": lambda body: faults.split(_database(body)),
        }

    def respond(self, own: int, request: Request, out: Responder) -> None:
        """Answer a request sent to the node at `own`; raises `ApiError` for an impossible one."""
        if len(request.parts) < _WITH_ACTION:
            out.json(200, self._faults.state())
            return
        act = self._actions.get(request.parts[1])
        if act is None:
            raise not_found(f"the actions are {', '.join(self._actions)}")
        if request.verb != "POST":
            raise method_not_allowed("POST")
        body = request.json_object()
        if request.parts[1] == "kill" and _node(body) == own:
            out.json(200, {"ok": True})  # afterwards there is no connection for a response
            act(body)
            return
        try:
            act(body)
        except (IndexError, ValueError) as error:
            raise bad_request(str(error)) from error
        out.json(200, {"ok": True})


def _node(body: dict[str, Any]) -> int:
    node = body.get("node")
    if not isinstance(node, int) or isinstance(node, bool):
        raise bad_request("`node` must be a number: a place in the list of URLs, from 0")
    return node


def _seconds(body: dict[str, Any]) -> float:
    seconds = body.get("seconds")
    if not isinstance(seconds, (int, float)) or isinstance(seconds, bool) or seconds < 0:
        raise bad_request("`seconds` must be a number, 0 or more")
    return float(seconds)


def _database(body: dict[str, Any]) -> str:
    name = body.get("database")
    if not isinstance(name, str):
        raise bad_request("`database` must be a name")
    return name
