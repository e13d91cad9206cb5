"""Read inputs again, as a finding's traceback is wanted: `python -m tests.fuzz.replay TARGET FILE...`."""

import sys
from pathlib import Path

from tests.fuzz import catalogue


def main() -> None:
    """Read each; the first broken promise ends it."""
    name, *files = sys.argv[1:]
    target = catalogue.target(name)
    for each in files:
        target.check(Path(each).read_bytes())


if __name__ == "__main__":
    main()
