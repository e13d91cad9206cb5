"""The deadline that an HTTP request asks for."""

import re
from collections.abc import Mapping

_UNITS = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}
_GRPC_TIMEOUT = re.compile(r"([0-9]{1,8})([HMSmun])")
_SECONDS = re.compile(r"([0-9]{1,8}(?:\.[0-9]{1,9})?)s?")


def timeout_of(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that a request allows; None where it has neither header.

    Args:
        headers: by lower-case name. `grpc-timeout` is written as gRPC writes it (200m: milliseconds), `request-timeout`
            in seconds (0.2). The former counts where both are there.

    Raises:
        ValueError: a header that can't be read; the message says how to write it.
    """
    if (text := headers.get("grpc-timeout")) is not None:
        if (found := _GRPC_TIMEOUT.fullmatch(text)) is None:
            raise ValueError("grpc-timeout is digits and a unit, such as 200m for 200 milliseconds")
        return int(found[1]) * _UNITS[found[2]]
    if (text := headers.get("request-timeout")) is not None:
        if (found := _SECONDS.fullmatch(text)) is None:
            raise ValueError("request-timeout is a number of seconds, such as 0.2")
        return float(found[1])
    return None
