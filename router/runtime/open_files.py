"""The limit of open files, of which every connection is one."""

import contextlib
import resource


def raise_open_file_limit() -> None:
    """Raise the limit as far as this process may: where it is reached, no connection is accepted."""
    _, maximum = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (maximum, maximum))
