"""`make guards`: what keeps answers right, each taken out of a copy of the product, whose tests must notice.

Nothing in the product can be switched off: a guard's text is replaced in a copy, and the test that is named here is run
there. It passes on the copy as it is, and must fail without the guard.
"""

import contextlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

import click

from tests.faults.guard_list import GUARDS, ROOT, Guard

_COPIED = ("router", "tests", "pyproject.toml")
_SECONDS = 600


def passes(test: str, guard: Guard | None) -> bool:
    """Run a test on a copy of the product, with a guard taken out."""
    with tempfile.TemporaryDirectory(prefix="did-router-guards-") as folder:
        copy = Path(folder)
        for name in _COPIED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, copy / name)
        if guard is not None:
            file = copy / guard.file
            file.write_text(file.read_text("utf-8").replace(guard.text, guard.without), "utf-8")
        # Started in the copy, `python -m` finds its `router` before the one that is installed.
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", test]
        with contextlib.suppress(subprocess.TimeoutExpired):
            return subprocess.run(command, cwd=copy, capture_output=True, timeout=_SECONDS, check=False).returncode == 0
    return False


def missing() -> Iterable[str]:
    """Guards whose text stands in the product no more, or several times."""
    return [guard.name for guard in GUARDS if not guard.is_there()]


@click.command()
def main() -> None:
    """Take out each guard and see its test fail."""
    bad = 0
    for guard in GUARDS:
        assert guard.is_there(), f"{guard.name}: not found in {guard.file}"
        whole, without = passes(guard.test, None), passes(guard.test, guard)
        good = whole and not without
        bad += not good
        result = f"{'passes' if whole else 'FAILS'} with it, {'PASSES' if without else 'fails'} without"
        click.echo(f"{'good' if good else 'BAD '} {guard.name}: {guard.test.rpartition('::')[2]} {result}")
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
