"""The worked examples of docs/carriers.md and docs/features.md, loaded as a stranger's installed package."""

import re
from pathlib import Path

import pytest

from router.couch.client import CouchClient
from router.couch.server import CouchServer
from router.manager.carriers.carrier import CarrierError, CarrierOrder
from router.manager.carriers.registry import CarrierRegistry
from router.manager.features.registry import FeatureRegistry
from router.settings import Settings
from tests.unit.manager.features.planning import NUMBER, done, number, refused, release, update
from tests.unit.manager.packages import ACME_PLUGIN, on_path

ORDER = CarrierOrder("key-1", number(), {"mine": 1})
DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that Acme reads; its package is installed."""
    on_path(monkeypatch, ACME_PLUGIN)
    return tmp_path


def carriers(settings: dict[str, dict[str, object]]) -> CarrierRegistry:
    return CarrierRegistry(
        Settings.load(None, carriers=settings), CouchServer(CouchClient("http://127.0.0.1:1", timeout=1))
    )


def test_third_party_carrier_receives_orders(folder: Path) -> None:
    found = carriers({"knm_acme": {"folder": str(folder)}})
    carrier = found.find("knm_acme")

    assert found.packages()["knm_acme"] == "acme-numbers 1.0"
    assert carrier.acquire(ORDER) == {"mine": 1, "order": "key-1"}
    assert '"verb": "buy"' in (folder / "key-1.json").read_text()
    assert carrier.disconnect(ORDER) == {}
    assert '"verb": "return"' in (folder / "key-1.json").read_text()


def test_third_party_carrier_error_keeps_its_message(folder: Path) -> None:
    missing = carriers({"knm_acme": {"folder": str(folder / "gone")}}).find("knm_acme")
    unset = carriers({}).find("knm_acme")

    with pytest.raises(CarrierError, match="the order can't be written: No such file"):
        missing.acquire(ORDER)
    with pytest.raises(CarrierError, match=r"setting 'carriers\.knm_acme\.folder' is missing"):
        unset.acquire(ORDER)


def test_third_party_feature_is_switched_on_and_off(folder: Path) -> None:
    features = FeatureRegistry(Settings.load(None, features={"acme_screening": {"folder": str(folder)}}))
    reported = folder / f"{NUMBER}.screening"

    on = done(update(number(), {"screening": {"level": "high"}}, features=features), features)
    assert reported.read_text() == "high"
    assert on.features == {"screening": {"level": "high", "ticket": "key:screening:on"}}
    assert not update(on, {"note": "x"}, features=features).work

    reserved = done(update(on, None, features=features, state="reserved"), features)
    assert (reserved.features, reported.exists()) == ({}, False)

    back = done(update(reserved, None, features=features, state="in_service"), features)
    assert reported.exists()
    assert done(release(back, features), features).features == {}
    assert not reported.exists()
    assert "low, high" in refused(lambda: update(on, {"screening": {"level": "x"}}, features=features)).cause


@pytest.mark.parametrize(
    ("page", "files"),
    [
        ("carriers.md", ["acme_numbers/carrier.py"]),
        ("features.md", ["acme_numbers/screening.py"]),
    ],
)
def test_pages_show_the_fixtures_code(page: str, files: list[str]) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (DOCS / page).read_text("utf-8"), re.DOTALL)

    assert blocks == [(ACME_PLUGIN / file).read_text("utf-8") for file in files]


def test_pages_show_the_fixtures_entry_points() -> None:
    shown = (DOCS / "carriers.md").read_text("utf-8") + (DOCS / "features.md").read_text("utf-8")

    for line in (ACME_PLUGIN / "acme_numbers-1.0.dist-info" / "entry_points.txt").read_text("utf-8").splitlines():
        name, _, target = line.partition(" = ")
        assert not target or f'{name} = "{target}"' in shown
