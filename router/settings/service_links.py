"""Service links: variables that Kubernetes puts into a pod for each Service of its namespace.

A Service called `did-router` results in variables with this project's prefix: `DID_ROUTER_SERVICE_HOST`,
`DID_ROUTER_PORT=tcp://10.0.0.11:50051`. No setting of this project has such a name.
"""

import re
from collections.abc import Mapping

_IN_KUBERNETES = "KUBERNETES_SERVICE_HOST"
_PROTOCOL = r"_PORT_[0-9]+_(TCP|UDP|SCTP)"
_NAME = re.compile(rf".+(_SERVICE_HOST|_SERVICE_PORT(_[A-Z0-9_]+)?|{_PROTOCOL}(_(PROTO|PORT|ADDR))?)")
_URL = re.compile(r"(tcp|udp|sctp)://\S+")


def is_service_link(name: str, environment: Mapping[str, str]) -> bool:
    """Return whether a variable of this environment comes from Kubernetes; always False outside of it.

    Args:
        name: a name in the environment.
    """
    if _IN_KUBERNETES not in environment:
        return False
    if name.endswith("_PORT") and _URL.fullmatch(environment[name]):
        return True
    return _NAME.fullmatch(name) is not None
