"""A UDP socket that is read in batches."""

import asyncio
import socket
from collections.abc import Iterator, Sequence

import pytest

from router.server.calls.datagrams import Datagram, DatagramSocket


@pytest.fixture
def bound() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.bind(("127.0.0.1", 0))
        made.settimeout(0)
        yield made


def test_drain_all_that_waits_is_read_in_batches(bound: socket.socket) -> None:
    batches: list[Sequence[Datagram]] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as caller:
        for index in range(100):
            caller.sendto(b"%d" % index, bound.getsockname())
        asyncio.run(_read(DatagramSocket(bound, batches.append), batches, 100))
        source = caller.getsockname()[1]

    assert [len(batch) for batch in batches] == [64, 36]
    assert [data for batch in batches for data, _ in batch] == [b"%d" % index for index in range(100)]
    assert {address[1] for batch in batches for _, address in batch} == {source}


async def _read(reader: DatagramSocket, batches: list[Sequence[Datagram]], count: int) -> None:
    loop = asyncio.get_running_loop()
    reader.start(loop)
    async with asyncio.timeout(5):
        while sum(map(len, batches)) < count:
            await asyncio.sleep(0)
    reader.stop(loop)


def test_send_an_address_that_takes_nothing_is_no_error(bound: socket.socket) -> None:
    reader = DatagramSocket(bound, lambda _: None)

    assert reader.send(b"x", bound.getsockname())
    assert not reader.send(b"x" * 70_000, bound.getsockname())
