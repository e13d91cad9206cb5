"""A silence takes a node out of use only where it lasted as long as a probe waits."""

import pytest

from router.couch.client import CouchClient
from router.couch.errors import ConnectFailed, CouchError, ResponseLost
from router.couch.nodes import PROBE_TIMEOUT

ONE, OTHER = "http://127.0.0.1:5984/", "http://127.0.0.1:5985/"


@pytest.mark.parametrize(
    ("timeout", "problem", "is_down"),
    [
        (PROBE_TIMEOUT / 4, ResponseLost("timed out"), False),
        (PROBE_TIMEOUT, ResponseLost("timed out"), True),
        (PROBE_TIMEOUT / 4, ConnectFailed("refused"), True),
    ],
)
def test_node_is_reported_by_the_length_of_its_silence(timeout: float, problem: CouchError, is_down: bool) -> None:
    client = CouchClient("http://127.0.0.1:5984,127.0.0.1:5985", timeout=timeout)
    with pytest.raises(CouchError), client._reporting_failures(ONE):
        raise problem
    assert (ONE in client.nodes.down()) == is_down
