"""The limit of open files; each connection counts as one."""

import contextlib
import resource


def raise_open_file_limit() -> None:
    """Raise the soft limit to the hard one: at the limit no connection is accepted."""
    _, maximum = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (maximum, maximum))
