"""Fails where a commit's message is not `area: imperative`, at most 72 characters, a blank line, and a body.

A reader of `git log --oneline` or `git blame` sees the subject alone, and terminals cut it at about 72 characters.
"""

import re
import sys
from pathlib import Path

MAX_SUBJECT = 72
_SUBJECT = re.compile(r"[a-z0-9_./-]+: \S.*")
_GENERATED = ("Merge ", "Revert ", "fixup! ", "squash! ")


def problem(message: str) -> str | None:
    """Return what is wrong with a commit's message; None where nothing is."""
    lines = [line for line in message.splitlines() if not line.startswith("#")]
    subject = lines[0] if lines else ""
    if subject.startswith(_GENERATED):
        return None
    if _SUBJECT.fullmatch(subject) is None:
        return f"the subject is not `area: imperative`: {subject!r}"
    if len(subject) > MAX_SUBJECT:
        return f"the subject has {len(subject)} characters, at most {MAX_SUBJECT}: {subject!r}"
    if len(lines) > 1 and lines[1]:
        return "a blank line is missing between subject and body"
    return None


def main(path: str) -> int:
    """Print the problem of the message in a file; return 1 where there is one."""
    found = problem(Path(path).read_text("utf-8"))
    if found is not None:
        print(found)  # noqa: T201
    return int(found is not None)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
