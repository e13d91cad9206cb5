"""The context of a call that servicers use: gRPC's own, or that of a call over HTTP."""

from collections.abc import Sequence
from typing import Any, NoReturn, Protocol

import grpc


class CallContext(Protocol):
    """The part of `grpc.aio.ServicerContext` that servicers use."""

    def time_remaining(self) -> float | None:
        """Return the seconds until the caller's deadline; None where it set none."""
        ...

    def invocation_metadata(self) -> Sequence[tuple[str, Any]] | None:
        """Return the call's metadata."""
        ...

    async def abort(
        self, code: grpc.StatusCode, details: str = "", trailing_metadata: Sequence[tuple[str, Any]] = ()
    ) -> NoReturn:
        """End the call with a status; raises."""
        ...
