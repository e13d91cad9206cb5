"""A client for did-router, for threads (`Client`) and for asyncio (`AsyncClient`): docs/client.md.

It needs gRPC and protobuf, and none of the service's dependencies.
"""

from router.client.async_client import AsyncClient
from router.client.options import Options, Tls, TokenError
from router.client.results import LookupResult, Result
from router.client.sync_client import Client

__all__ = ["AsyncClient", "Client", "LookupResult", "Options", "Result", "Tls", "TokenError"]
