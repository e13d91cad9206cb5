"""The common part of the transports HTTP, SIP redirect and ENUM."""

from typing import Protocol


class SwitchTransport(Protocol):
    """Answers switches from `start` until `stop`."""

    @property
    def port(self) -> int:
        """The port that was bound; 0 for none."""
        ...

    def start(self) -> None:
        """Answer messages."""
        ...

    def announce_end(self) -> None:
        """Announce to callers that poll for it that this instance is about to end."""
        ...

    def stop(self, grace: float) -> None:
        """Take no message any more; give running lookups `grace` seconds."""
        ...


class NoTransport:
    """The transport where its address is empty."""

    port = 0

    def start(self) -> None:
        """Do nothing."""

    def announce_end(self) -> None:
        """Do nothing."""

    def stop(self, grace: float) -> None:
        """Do nothing."""
