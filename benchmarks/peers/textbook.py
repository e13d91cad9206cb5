"""A straightforward service: grpc.aio and uvloop, a GET a call, protobuf parsed and built."""

import argparse
import re
from pathlib import Path
from typing import Any

import grpc
import redis.asyncio
import uvloop

from router.entries.codec import HEADER, VERSION
from router.v1 import inbound_pb2 as pb
from router.v1 import inbound_pb2_grpc as rpc

_NOT_DIGITS = re.compile(r"\D")


class Router(rpc.InboundRouterServicer):
    """Lookup alone; it does not ask whether the account is enabled, nor any database."""

    def __init__(self, client: Any) -> None:
        self._redis = client

    async def Lookup(  # noqa: N802 - gRPC's name
        self, request: pb.LookupRequest, context: grpc.aio.ServicerContext[pb.LookupRequest, pb.LookupResponse]
    ) -> pb.LookupResponse:
        """Answer from Redis."""
        number = e164(request.number)
        value = await self._redis.get(f"did-router:{{{number[:5]}}}{number[5:]}")
        if value is None or value[VERSION] not in b"RX":
            await context.abort(grpc.StatusCode.NOT_FOUND, f"there is no number {number}")
        if value[VERSION] == ord("X"):
            refusal = pb.Refusal.FromString(value[HEADER:])
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, refusal.message)
        answer = pb.LookupResponse.FromString(value[HEADER:])
        answer.number = number
        answer.revision = f"{int.from_bytes(value[:4], 'big')}-{value[4:VERSION].hex()}"
        answer.source = pb.REDIS
        return answer


def e164(text: str) -> str:
    """The North American habit; no dial plans."""
    if text.startswith("+"):
        return text
    digits = _NOT_DIGITS.sub("", text)
    return f"+1{digits}" if len(digits) == 10 else f"+{digits}"


async def main() -> None:
    """Serve."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--port", type=int, required=True)
    options.add_argument("--redis-url", required=True)
    options.add_argument("--certificate", type=Path, help="PEM file, with --key: TLS")
    options.add_argument("--key", type=Path)
    given = options.parse_args()
    server = grpc.aio.server()
    # A pool that waits: the ordinary one fails calls beyond its bound.
    pool = redis.asyncio.BlockingConnectionPool.from_url(given.redis_url, max_connections=64, timeout=1, protocol=2)
    router = Router(redis.asyncio.Redis(connection_pool=pool))  # type: ignore[abstract] # the others are unimplemented
    rpc.add_InboundRouterServicer_to_server(router, server)
    address = f"127.0.0.1:{given.port}"
    if given.certificate:
        pair = (given.key.read_bytes(), given.certificate.read_bytes())
        server.add_secure_port(address, grpc.ssl_server_credentials([pair]))
    else:
        server.add_insecure_port(address)
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    uvloop.run(main())
