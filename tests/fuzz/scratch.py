"""A file for inputs that are read from one; one for each process."""

import atexit
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path


@cache
def _folder() -> Path:
    made = Path(tempfile.mkdtemp(prefix="did-router-fuzz-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made


def file(name: str, content: bytes | None) -> Path:
    """A file with this content; None: there is none."""
    path = _folder() / name
    if content is None:
        path.unlink(missing_ok=True)
    else:
        path.write_bytes(content)
    return path
