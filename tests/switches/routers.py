"""Two did-routers over the same stores that answer in every way."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

from tests import processes
from tests.cli.command import Process, Running, children_of, serving
from tests.switches.ports import free_port

_SERVE = ("serve", "--workers", "1", "--admin", "127.0.0.1:0", "--set", "drain_delay=0")
_PATIENT = ("--set", "sip_timeout=5", "--set", "http_timeout=5", "--set", "enum_timeout=5")
"""For a loaded machine; the switches' own limits stay."""
_START_TIMEOUT = 180  # seconds


class Routers:
    """Two did-routers on ports that stay theirs.

    Args:
        stores: flags that name the stores.
    """

    def __init__(self, *stores: str) -> None:
        self.grpc, self.sip, self.http, self.enum = ([free_port() for _ in range(2)] for _ in range(4))
        self._stores = stores
        self._processes = [self._begin(index) for index in range(2)]
        self.running: list[Running] = []

    def __enter__(self) -> Self:
        try:
            self.running = [serving(process, _START_TIMEOUT) for process in self._processes]
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for index in range(2):
            self.kill(index)

    def freeze(self, index: int) -> None:
        """Stop every process of one of them, so that its ports take requests and nothing answers."""
        for process in self._every(index):
            processes.freeze(process)

    def thaw(self, index: int) -> None:
        """Let one of them go on."""
        for process in self._every(index):
            processes.thaw(process)

    @contextmanager
    def frozen(self, *indexes: int) -> Iterator[None]:
        """Freeze some of them, or all of them where none is named, until the end of the block."""
        chosen = indexes or range(2)
        for index in chosen:
            self.freeze(index)
        try:
            yield
        finally:
            for index in chosen:
                self.thaw(index)

    def kill(self, index: int) -> None:
        """End one of them without a word."""
        processes.kill(self._every(index))
        self._processes[index].popen.wait()

    def restart(self, index: int) -> None:
        """Start a killed one again, on its ports."""
        self._processes[index] = self._begin(index)
        self.running[index] = serving(self._processes[index], _START_TIMEOUT)

    def _begin(self, index: int) -> Process:
        settings = {
            "listen": f"127.0.0.1:{self.grpc[index]}",
            "http_listen": f"127.0.0.1:{self.http[index]}",
            "sip_listen": f"127.0.0.1:{self.sip[index]}",
            "enum_listen": f"127.0.0.1:{self.enum[index]}",
            "sip_max_request_rate": "0",
            "enum_max_request_rate": "0",
            "enum_refusals": "uri",
        }
        flags = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
        return Process(*_SERVE, *flags, *_PATIENT, *self._stores)

    def _every(self, index: int) -> list[int]:
        process = self._processes[index].popen.pid
        return [process, *children_of(process)]
