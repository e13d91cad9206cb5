"""A queued call, as a call source delivers it: a plain tuple, whose fields have names here.

It is the tuple that the native source returns; converting it to an object would cost time on every call. Code that
needs several fields unpacks the tuple; code that needs one uses the index.
"""

from typing import Any, Final

CallHandle = Any
"""Identifies a call within its source; is passed back with the response."""

CallDetails = tuple[Any, Any, float | None]
"""(metadata, address, remaining): `metadata` is None where no trace asks for it. `remaining` is the number of seconds
before the deadline, None where the caller set none. `address` is not used."""

QueuedCall = tuple[int, CallHandle, int, bytes, Any, CallDetails]
"""(kind, handle, method, request, client, details): the request holds the bytes of a LookupRequest. `method` is not
used. `client` is the caller's address, or as bytes the value of the header that the source watches: `authorization`
where tokens are checked, `traceparent` where none are.
Items of another kind than CALL, such as a reset stream, have None for details."""

KIND: Final = 0
HANDLE: Final = 1
CLIENT: Final = 4
DETAILS: Final = 5
"""Indices of a QueuedCall."""

METADATA: Final = 0
REMAINING: Final = 2
"""Indices of CallDetails."""

CALL: Final = 0
"""Kind of a queued call; items of any other kind are skipped."""
