"""The grpcio front's ceiling: grpc.aio with an event loop of its own, bytes in and a prepared message out."""

import argparse
import asyncio
from pathlib import Path
from typing import Any

import grpc


async def main() -> None:
    """Serve."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--listen", required=True, help="host:port")
    options.add_argument("--answer", type=Path, required=True, help="file with the message")
    given = options.parse_args()
    path: Path = given.answer
    answer = path.read_bytes()

    async def lookup(_request: bytes, _context: grpc.aio.ServicerContext[Any, Any]) -> bytes:
        return answer

    server = grpc.aio.server()
    handlers: dict[str, Any] = {"Lookup": grpc.unary_unary_rpc_method_handler(lookup)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("router.v1.InboundRouter", handlers),))
    server.add_insecure_port(given.listen)
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(main())
