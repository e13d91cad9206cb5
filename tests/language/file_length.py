"""Fails where a file is longer than 350 lines: such a file has more than one job, and nobody reads it to its end.

Generated files, recorded cases, cases for promtool and JSON schemas are exempt: they are data.
"""

import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
MAX_LINES = 350
CHECKED = {
    ".c",
    ".cc",
    ".css",
    ".go",
    ".h",
    ".html",
    ".js",
    ".lua",
    ".md",
    ".proto",
    ".py",
    ".sh",
    ".toml",
    ".yaml",
    ".yml",
}
EXEMPT = ("router/v1/", "tests/cases/", "deploy/prometheus/tests/", "docs/schemas/", "docs/configuration.md")


def problems(paths: Iterable[Path], root: Path = ROOT) -> Iterator[str]:
    """Yield a line for each file that is too long."""
    for path in paths:
        name = str(path.relative_to(root))
        if path.suffix not in CHECKED or name.startswith(EXEMPT):
            continue
        count = len(path.read_text("utf-8").splitlines())
        if count > MAX_LINES:
            yield f"{name}: {count} lines, at most {MAX_LINES}: split it by its jobs"


def tracked_files() -> list[Path]:
    """Return the committed files that exist."""
    command = ["git", "ls-files"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return [path for path in (ROOT / name for name in names) if path.is_file()]


def main() -> int:
    """Print all problems; return 1 where there is any."""
    found = list(problems(tracked_files()))
    print("\n".join([*found, f"{len(found)} files are too long"]))  # noqa: T201
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
