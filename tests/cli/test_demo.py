"""did-router demo."""

import signal

from router.numbers.routes import Reason
from tests.cli.command import Start, children_of, eventually, is_running, run
from tests.cli.pages import sessions, shows


def test_once_shows_each_outcome_and_each_source() -> None:
    said = run("demo", "--once", "--port", "0", "--admin-port", "0", seconds=60)

    assert (said.code, said.err) == (0, "")
    assert {reason for reason in Reason if reason.value not in said.out} <= {Reason.OVERLOADED}
    assert [source for source in (" redis ", "number database", "port request") if source not in said.out] == []
    for words in ("routes, pending port", "DEADLINE_EXCEEDED", "0 left out", "Changed the owner of +14158867900"):
        assert words in said.out
    ((command, shown),) = sessions("README.md")[0]
    assert command == "make demo ARGS=--once"
    assert len(shown) > 8
    assert shows(shown, said.out) == [], "the README shows what is printed"


def test_ctrl_c_stops_it_and_all_that_it_started(start: Start) -> None:
    demo = start("demo", "--port", "0", "--admin-port", "0")
    target = demo.wait_for(r"Serving on (\S+) until Ctrl-C", seconds=60)[1]
    children = children_of(demo.popen.pid)
    answered = run("lookup", "--target", target, "4158867900")

    assert children, "the Redis is a process of its own"
    assert answered.code == 0
    assert demo.end(signal.SIGINT, seconds=10) == 0
    assert demo.said[-1] == "stopping"
    eventually(lambda: not any(map(is_running, children)), seconds=3)
