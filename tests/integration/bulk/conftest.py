"""Fixtures of the bulk tests."""

from pathlib import Path

import pytest

from tests.integration.bulk.runs import Bulk
from tests.integration.manager_stores import family
from tests.integration.real_stores import RealStores


@pytest.fixture
def bulk(stores: RealStores, tmp_path: Path) -> Bulk:
    family(stores)
    return Bulk(stores, tmp_path)
