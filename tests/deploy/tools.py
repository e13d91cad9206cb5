"""Finds the tools that judge deploy/: on the PATH, beside this Python, or where `make lint-deploy` put them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
_FOLDER = Path(os.environ.get("DEPLOY_TOOLS", ROOT / "build" / "deploy-tools"))
_PLACES = (Path(sys.executable).parent, _FOLDER / "usr" / "bin", _FOLDER / "node_modules" / ".bin")


def find(name: str) -> str:
    """Return a tool's path, or skip the test."""
    path = shutil.which(name, path=os.pathsep.join([*map(str, _PLACES), os.environ.get("PATH", "")]))
    if path is None:
        pytest.skip(f"{name} is not installed: make lint-deploy")
    return path


def run(*command: str | Path, folder: Path = ROOT, seconds: float = 110) -> subprocess.CompletedProcess[str]:
    """Run a tool to its end."""
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=seconds, check=False)
