"""A script that replaces itself by Envoy, which then ends with its parent process.

Arguments: the parent's process id, and Envoy's command line. An Envoy whose parent was killed would otherwise hold the
port, with no worker behind it.
"""

import ctypes
import os
import resource
import signal
import sys

_PR_SET_PDEATHSIG = 1


def launch(parent: int, command: list[str]) -> None:
    """Replace this process by a command; returns only where the parent has already exited."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    _, maximum = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (maximum, maximum))
    if os.getppid() == parent:
        os.execv(command[0], command)  # noqa: S606 - the path that was found for Envoy


if __name__ == "__main__":
    launch(int(sys.argv[1]), sys.argv[2:])
