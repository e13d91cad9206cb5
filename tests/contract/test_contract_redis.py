"""The embedded Redis: a real one, started and stopped."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from redis import Redis

from router.embedded import EmbeddedRedis, RedisStartError
from tests.redis_programs import on_each_redis

pytest_generate_tests = on_each_redis
pytestmark = pytest.mark.usefixtures("redis_program")


def test_embedded_redis_runs_commands_and_scripts(redis_url: str) -> None:
    with Redis.from_url(redis_url) as client:
        assert client.keys() == []
        client.set("a", 1)
        assert client.eval("return redis.call('GET', KEYS[1])", 1, "a") == b"1"


def test_each_test_finds_it_empty(redis_url: str) -> None:
    with Redis.from_url(redis_url) as client:
        assert client.keys() == []


def test_embedded_redis_listens_on_loopback_until_stopped(tmp_path: Path) -> None:
    with EmbeddedRedis() as server:
        assert server.url == f"redis://127.0.0.1:{server.port}/0"
        pid = server.pid
        with Redis.from_url(server.url) as client:
            assert client.config_get("bind") == {"bind": "127.0.0.1"}
            assert client.config_get("appendonly") == {"appendonly": "no"}
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with pytest.raises(RuntimeError):
        _ = server.pid


def test_directory_turns_persistence_on(tmp_path: Path) -> None:
    with EmbeddedRedis(directory=tmp_path) as server, Redis.from_url(server.url) as client:
        client.set("a", 1)
        port = server.port
    with EmbeddedRedis(port=port, directory=tmp_path) as server, Redis.from_url(server.url) as client:
        assert server.port == port
        assert client.get("a") == b"1"


def test_taken_port_is_reported_plainly() -> None:
    with EmbeddedRedis() as server, pytest.raises(RedisStartError, match=f"port {server.port} is taken"):
        EmbeddedRedis(port=server.port).start()


def test_server_that_cannot_start_shows_its_log(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "redis-server"
    broken.write_text("#!/bin/sh\necho no memory for this >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(RedisStartError, match="no memory for this"):
        EmbeddedRedis().start()


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel ends orphans on Linux only")
def test_embedded_redis_ends_with_its_killed_parent() -> None:
    script = (
        "import time; from router.embedded import EmbeddedRedis;"
        "print(EmbeddedRedis().start().pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and running(pid):
        time.sleep(0.05)
    assert not running(pid)


def running(pid: int) -> bool:
    """Return whether a process is there and not only waiting to be buried."""
    try:
        return " Z " not in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
