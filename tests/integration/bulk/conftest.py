"""Fixtures of the bulk tests."""

from pathlib import Path

import pytest

from tests.integration.bulk.runs import Bulk
from tests.integration.manager_world import family
from tests.integration.world import World


@pytest.fixture
def bulk(world: World, tmp_path: Path) -> Bulk:
    family(world)
    return Bulk(world, tmp_path)
