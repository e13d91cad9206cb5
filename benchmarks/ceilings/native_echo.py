"""The native front's ceiling: calls taken in batches with their deadlines, a prepared message out."""

import argparse
from pathlib import Path

from pygrpc_native import EVENT_CALL, NativeGrpcFront

from router.runtime.cpu_affinity import ClaimedCores, pinned_to


def main() -> None:
    """Serve."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--listen", required=True, help="host:port, or unix:PATH")
    options.add_argument("--answer", type=Path, required=True, help="file with the message")
    options.add_argument("--io-threads", type=int, default=1, help="%(default)s")
    given = options.parse_args()
    answer = given.answer.read_bytes()
    claimed = ClaimedCores(1)  # as a worker's parent does
    with pinned_to(claimed.core(0)):
        front = NativeGrpcFront(
            given.listen,
            [("/router.v1.InboundRouter/Lookup", False)],
            io_threads=given.io_threads,
            call_details=True,
        )
        front.start()
        respond = front.respond
        while (events := front.recv_batch_details(512, 1000)) is not None:
            for kind, call, _method, _request, _key, _details in events:
                if kind == EVENT_CALL:
                    respond(call, answer)


if __name__ == "__main__":
    main()
