"""One target in this process under atheris: `python -m tests.fuzz.engine TARGET [libFuzzer's options and folders]`.

Coverage of `router` guides it: an input that comes to a new branch is kept, and changed further.

libFuzzer takes the options, tells on standard error how it goes, and ends the process at the first broken promise,
having written the input that broke it.
"""

import logging
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import atheris

from tests.fuzz import catalogue


def main() -> None:
    """Fuzz until the options say stop, or a promise is broken."""
    name, *options = sys.argv[1:]
    logging.disable(logging.CRITICAL)
    with atheris.instrument_imports(include=["router"]):
        target = catalogue.target(name)
    dictionary = _dictionary(target.dictionary)
    if dictionary is not None:
        options = [f"-dict={dictionary}", *options]
    # For minimising libFuzzer has a shell start this again.
    again = f"{sys.executable} -m tests.fuzz.engine {name}"
    atheris.Setup([again, f"-max_len={target.longest}", "-len_control=20", *options], target.check)
    atheris.Fuzz()


def _dictionary(dictionary: Sequence[str | bytes]) -> Path | None:
    """The words as libFuzzer reads them."""
    lines = []
    for word in dictionary:
        octets = word if isinstance(word, bytes) else word.encode()
        lines.append('"' + "".join(f"\\x{octet:02x}" for octet in octets) + '"')
    path = Path(tempfile.mkdtemp(prefix="did-router-fuzz-")) / "words"
    path.write_text("\n".join(lines))
    return path if lines else None


if __name__ == "__main__":
    main()
