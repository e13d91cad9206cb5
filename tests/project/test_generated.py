"""router/v1 is what proto/ says: whoever changes one changes the other (`make proto`)."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HERE = ROOT / "router" / "v1"


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of freshly generated code."""
    out = tmp_path_factory.mktemp("generated")
    plugins = Path(sys.executable).parent
    command = [sys.executable, "-m", "grpc_tools.protoc", "-I", str(ROOT / "proto")]
    command += [f"--plugin={plugins / name}" for name in ("protoc-gen-mypy", "protoc-gen-mypy_grpc")]
    command += [f"--{kind}_out={out}" for kind in ("python", "grpc_python", "mypy", "mypy_grpc")]
    command += [str(path) for path in sorted((ROOT / "proto" / "router" / "v1").glob("*.proto"))]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return out / "router" / "v1"


def test_generated_folder_holds_exactly_the_made_files(generated: Path) -> None:
    made = {path.name for path in generated.iterdir()}
    kept = {path.name for path in HERE.iterdir() if path.is_file()} - {"__init__.py"}

    assert kept == made


def test_generated_code_is_current(generated: Path) -> None:
    outdated = [path.name for path in generated.iterdir() if _meaning(path) != _meaning(HERE / path.name)]

    assert not outdated, "run `make proto`"


def _meaning(path: Path) -> str:
    """The code without its layout, nor that of its docstrings."""
    tree = ast.parse(path.read_text("utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            node.value = " ".join(node.value.split())
    return ast.dump(tree)
