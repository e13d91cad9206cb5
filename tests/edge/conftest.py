"""One deployment for the tests that leave it whole."""

from collections.abc import Iterator

import pytest

from tests.edge.deployment import PATIENT, Instance, Stores, instance, stores


@pytest.fixture(scope="package")
def shared() -> Iterator[Stores]:
    """A database and a Redis."""
    with stores() as made:
        yield made


@pytest.fixture(scope="package")
def service(shared: Stores) -> Iterator[Instance]:
    """A service with two workers behind an edge with TLS."""
    with instance(shared, *PATIENT) as made:
        made.wait_whole()
        yield made
