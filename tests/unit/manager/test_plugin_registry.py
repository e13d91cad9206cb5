"""Plug-ins are found by entry point; one that is broken is told of by name and package, and harms no other."""

from pathlib import Path

import pytest

from router.couch.client import CouchClient
from router.couch.server import CouchServer
from router.manager.carriers.carrier import CarrierError, CarrierOrder
from router.manager.carriers.registry import CarrierRegistry
from router.manager.features.registry import FeatureRegistry
from router.settings import Settings
from tests.unit.lifecycle.numbers_and_accounts import LOCAL_TRAITS, MDN_TRAITS
from tests.unit.manager.features.planning import NUMBER, config, done, number, refused, update
from tests.unit.manager.packages import install, on_path

OWN_CARRIERS = [
    "knm_inum",
    "knm_inventory",
    "knm_local",
    "knm_managed",
    "knm_mdn",
    "knm_other",
    "knm_reserved",
    "knm_reserved_reseller",
]
OWN_PROVIDERS = [
    "knm_cnam_notifier",
    "knm_dash_e911",
    "knm_failover",
    "knm_force_outbound",
    "knm_port_notifier",
    "knm_prepend",
    "knm_ringback",
]
ORDER = CarrierOrder("key", number(), {"mine": 1})


def carriers(**settings: dict[str, object]) -> CarrierRegistry:
    return CarrierRegistry(
        Settings.load(None, carriers=settings), CouchServer(CouchClient("http://127.0.0.1:1", timeout=1))
    )


def features(**settings: dict[str, object]) -> FeatureRegistry:
    return FeatureRegistry(Settings.load(None, features=settings))


def test_registries_load_built_in_plugins_by_entry_point() -> None:
    assert (carriers().names(), carriers().broken) == (OWN_CARRIERS, ())
    assert (features().names(), features().broken) == (OWN_PROVIDERS, ())
    assert {each.split()[0] for each in carriers().packages().values()} == {"did-router"}
    assert features().missing(config()) == []


def test_built_in_carrier_traits_match_the_lifecycle() -> None:
    found = carriers()

    for traits in (LOCAL_TRAITS, MDN_TRAITS):
        mine = found.find(traits.name)
        assert (mine.is_local, mine.deletes_on_release, mine.only_in_service) == (
            traits.is_local,
            traits.deletes_on_release,
            traits.only_in_service,
        )
    assert {name for name in OWN_CARRIERS if found.find(name).is_local} == {
        "knm_local",
        "knm_managed",
        "knm_inum",
        "knm_reserved",
        "knm_reserved_reseller",
    }


@pytest.mark.parametrize("name", ["knm_local", "knm_mdn", "knm_inventory", "knm_reserved", "knm_nobody", "wnm_nobody"])
def test_noop_carriers_keep_the_module_data(name: str) -> None:
    carrier = carriers().find(name)

    assert carrier.acquire(ORDER) == {"mine": 1}
    assert carrier.disconnect(ORDER) == {"mine": 1}


def test_find_accepts_older_carrier_names() -> None:
    assert carriers().find("wnm_local").name == "knm_local"
    assert carriers().find("undefined").name == "knm_local"
    assert carriers().find("wnm_pacwest").name == "knm_pacwest"


CARRIER = """
class Carrier:
    name, is_local, deletes_on_release, only_in_service = {name!r}, False, False, False
    def acquire(self, order): return {{"bought": True}}
    def disconnect(self, order): return {{}}
def make(setup): return Carrier()
"""
BROKEN = {
    "import": ("knm_bad = bad_numbers.nowhere:make", "", "No module named"),
    "syntax": ("knm_bad = bad_numbers:make", "def make(:", "SyntaxError"),
    "attribute": ("knm_bad = bad_numbers:other", "", "AttributeError"),
    "factory": ("knm_bad = bad_numbers:make", "make = 7", "something that takes a CarrierSetup"),
    "raises": ("knm_bad = bad_numbers:make", "def make(setup): raise OSError('no licence')", "OSError: no licence"),
    "name": ("knm_bad = bad_numbers:make", CARRIER.format(name="knm_good"), "calls itself 'knm_good'"),
    "traits": ("knm_bad = bad_numbers:make", CARRIER.format(name="knm_bad").replace("False", "None"), "is_local"),
    "verbs": ("knm_bad = bad_numbers:make", CARRIER.format(name="knm_bad").replace("acquire", "buy"), "no acquire"),
    "misnamed": ("acme = bad_numbers:make", CARRIER.format(name="acme"), "is named knm_ and small letters"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_broken_carrier_is_reported_and_orders_nothing(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    point, code, reported = BROKEN[kind]
    monkeypatch.delitem(__import__("sys").modules, "bad_numbers", raising=False)
    on_path(monkeypatch, install(tmp_path, "bad-numbers", f"[did_router.carriers]\n{point}\n", code))

    found = carriers()

    (broken,) = found.broken
    assert reported in broken.reason
    assert "of package bad-numbers 1.0" in str(broken)
    assert str(broken) in caplog.text
    assert found.names() == OWN_CARRIERS
    carrier = found.find(broken.name)
    for act in (carrier.acquire, carrier.disconnect):
        with pytest.raises(CarrierError, match="bad-numbers"):
            act(ORDER)


def test_third_party_claim_of_a_built_in_name_is_rejected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    points = "[did_router.carriers]\nknm_local = thief_numbers:make\n"
    on_path(monkeypatch, install(tmp_path, "thief-numbers", points, CARRIER.format(name="knm_local")))

    found = carriers()

    assert found.find("knm_local").acquire(ORDER) == {"mine": 1}
    assert "knm_local of package thief-numbers 1.0: did-router has knm_local itself" in str(found.broken[0])


def test_two_third_party_claims_of_one_name_are_rejected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("one-numbers", "two-numbers"):
        points = f"[did_router.carriers]\nknm_twice = {package.replace('-', '_')}:make\n"
        on_path(monkeypatch, install(tmp_path / package, package, points, CARRIER.format(name="knm_twice")))

    found = carriers()

    assert {broken.package for broken in found.broken} == {"one-numbers 1.0", "two-numbers 1.0"}
    with pytest.raises(CarrierError, match="more than one package claims knm_twice"):
        found.find("knm_twice").acquire(ORDER)


def test_settings_for_a_missing_plugin_are_reported() -> None:
    assert str(carriers(knm_acme={}).broken[0]).startswith("knm_acme: setting 'carriers.knm_acme' is for a carrier")
    assert str(features(acme={}).broken[0]).startswith("acme: setting 'features.acme' is for a provider")


PROVIDER = """
from router.manager.features.notified import NotifiedFeature, OWNED
def make(setup): return NotifiedFeature("e911", frozenset({"e911"}), lambda public: {}, OWNED)
"""
BROKEN_PROVIDERS = {
    "raises": ("def make(setup): raise OSError('no licence')", "OSError: no licence"),
    "sets": (PROVIDER.replace('frozenset({"e911"})', '["e911"]'), "features must be a frozenset"),
    "states": (PROVIDER.replace("OWNED)", "frozenset({'reserved'}))"), "must be States"),
    "verbs": ("class P:\n    name = 'x'\ndef make(setup): return P()", "features must be a frozenset"),
    "name": (PROVIDER.replace('"e911",', "None,"), "calls itself None"),
}


@pytest.mark.parametrize("kind", BROKEN_PROVIDERS)
def test_broken_provider_chosen_is_reported_and_refuses(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, reported = BROKEN_PROVIDERS[kind]
    monkeypatch.delitem(__import__("sys").modules, "bad_provider", raising=False)
    points = "[did_router.features]\nbad_e911 = bad_provider:make\n"
    on_path(monkeypatch, install(tmp_path, "bad-provider", points, code))

    found = features()
    chosen = config(e911_provider="bad_e911")
    stands = number(pvt_features=["dash_e911"], dash_e911={"street_address": "x"})

    assert reported in found.broken[0].reason
    assert found.names() == OWN_PROVIDERS
    assert "bad-provider 1.0" in found.missing(chosen)[0]
    error = refused(lambda: done(update(stands, {"e911": None}, settings=chosen, features=found), found))
    assert reported in error.cause
    assert done(update(number(), {"force_outbound": True}, settings=chosen, features=found), found).features == {
        "force_outbound": True
    }


def test_settings_select_one_of_several_providers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    on_path(
        monkeypatch,
        install(tmp_path, "good-provider", "[did_router.features]\nacme_e911 = good_provider:make\n", PROVIDER),
    )
    found = features()
    stands = number(pvt_features=["dash_e911"], dash_e911={"street_address": "x"})

    by_default = update(stands, {"note": "x"}, features=found)
    chosen = update(stands, {"note": "x"}, settings=config(e911_provider="acme_e911"), features=found)

    assert found.broken == ()
    assert not by_default.work, "the default one can't read it, and leaves it alone"
    assert [task.feature for task in chosen.removals] == ["e911"], "the chosen one reads nothing from it"
    assert found.missing(config(e911_provider="knm_prepend"))[0].startswith(
        "e911_provider is knm_prepend: it provides prepend"
    )
    assert stands.number == NUMBER
