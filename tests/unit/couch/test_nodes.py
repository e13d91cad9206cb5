"""A held node is asked again and again, and given up where it fails."""

from router.couch.nodes import HeldNode, Nodes

ADDRESSES = ("http://127.0.0.1:5984/", "http://127.0.0.1:5985/", "http://127.0.0.1:5986/")


def test_held_node_gets_every_request() -> None:
    held = HeldNode(_nodes())
    assert len({held.choose() for _ in range(6)}) == 1


def test_node_that_fails_is_held_no_longer() -> None:
    held = HeldNode(_nodes())
    failed = held.choose()
    other = held.choose([failed])
    assert other != failed
    assert {held.choose() for _ in range(6)} == {other}


def _nodes() -> Nodes:
    nodes = Nodes(ADDRESSES)
    nodes._watching = True  # no probes: no server listens on these ports
    return nodes
