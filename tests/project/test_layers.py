"""A layer imports only from the layers below it: pyproject.toml has the contract, docs/architecture.md draws it."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_layers_are_kept() -> None:
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


def test_architecture_page_draws_the_layers_of_the_contract() -> None:
    config = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    contract = config["tool"]["importlinter"]["contracts"][0]["layers"]
    page = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    rows = re.findall(r"^\| (\d+) \| ([^|]+) \|", page, re.MULTILINE)

    drawn = [(int(number), set(re.findall(r"`(\w+)`", rooms))) for number, rooms in rows]

    layers = [{name.strip().removeprefix("router.") for name in layer.split("|")} for layer in contract]
    assert drawn == [(len(layers) - index, layer) for index, layer in enumerate(layers)]


def test_architecture_page_names_the_rooms_of_the_server() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    row = next(line for line in page.splitlines() if "| `server` |" in line)
    rooms = {path.parent.name for path in (ROOT / "router" / "server").glob("*/__init__.py")}

    assert {name for name in rooms if f"`{name}`" not in row} == set()
