"""A floor imports only from floors below it, and the number domain does no I/O: pyproject.toml says how."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_layers_are_kept() -> None:
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]

    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)

    assert run.returncode == 0, run.stdout
    assert "0 broken" in run.stdout


def test_every_package_has_a_floor() -> None:
    """A new room that nobody placed would be free to import anything."""
    config = (ROOT / "pyproject.toml").read_text("utf-8")
    rooms = {path.parent.name for path in (ROOT / "router").glob("*/__init__.py")}
    modules = {path.stem for path in (ROOT / "router").glob("*.py")} - {"__init__"}

    missing = [name for name in sorted(rooms | modules) if f"router.{name}" not in config]

    assert not missing
