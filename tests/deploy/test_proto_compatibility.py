"""The proto files, by buf: its lint rules, and no change that breaks callers since the last one."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.deploy.tools import ROOT, find, run


def _git(*arguments: str) -> str:
    return run("git", *arguments).stdout.strip()


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The protos of the last commit; where nothing is changed since, those before the commit that changed them last."""
    commits = _git("log", "-2", "--format=%H", "--", "proto").split()
    if not commits:
        pytest.skip("what was committed is known to git alone")
    commit = "HEAD" if _git("status", "--porcelain", "--", "proto") else commits[-1]
    folder = tmp_path_factory.mktemp("before")
    archive = subprocess.run(["git", "archive", commit, "proto"], cwd=ROOT, check=True, capture_output=True)
    subprocess.run(["tar", "-x", "-C", folder], input=archive.stdout, check=True)
    shutil.copyfile(ROOT / "buf.yaml", folder / "buf.yaml")
    return folder


def test_proto_lint_finds_nothing() -> None:
    done = run(find("buf"), "lint")

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_proto_change_breaks_no_caller(before: Path) -> None:
    done = run(find("buf"), "breaking", "--against", before)

    assert (done.returncode, done.stdout) == (0, ""), "callers would break: add instead of changing"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("string account_id = 1;", "bytes account_id = 1;"),
        ("bool stale = 5;", "bool is_stale = 5;"),
        ("  rpc Explain(ExplainRequest) returns (ExplainResponse);\n", ""),
        ("  OVERLOADED = 7;\n", ""),
    ],
)
def test_proto_incompatible_change_is_found(before: Path, tmp_path: Path, old: str, new: str) -> None:
    shutil.copytree(before, tmp_path / "after")
    changed = tmp_path / "after" / "proto" / "router" / "v1" / "inbound.proto"
    text = changed.read_text()
    assert old in text
    changed.write_text(text.replace(old, new, 1))

    assert run(find("buf"), "breaking", "--against", before, folder=tmp_path / "after").returncode == 100
