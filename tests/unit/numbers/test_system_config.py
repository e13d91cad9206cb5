"""The cluster's `number_manager` document."""

import pytest

from router.numbers.classifiers import DEFAULT_CLASSIFIERS
from router.numbers.dial_plans import Converter, DialPlan, convert
from router.numbers.system_config import FeaturePermissions, NumberManagerConfig, read


@pytest.mark.parametrize("doc", [None, {}, {"_id": "number_manager", "kazoo@host": {"force_local_outbound": False}}])
def test_defaults(doc: dict[str, object] | None) -> None:
    assert read(doc) == (NumberManagerConfig(), ())


def test_system_config_reads_every_key() -> None:
    default = {
        "e164_converters": {"^00(\\d*)$": {"prefix": "+"}, "^([1-9]\\d{7,})$": {"prefix": "+", "suffix": ""}},
        "reconcile_regex": "^\\+\\d{8,25}$",
        "classifiers": {"short": "^\\d{3}$"},
        "force_local_outbound": False,
        "force_port_in_outbound": "false",
        "force_port_out_outbound": False,
        "default_force_outbound": "true",
        "fetch_account_from_ports": False,
        "use_stepswitch_cnam": True,
        "released_state": "released",
        "should_permanently_delete": True,
        "should_age": True,
        "available_module_name": "knm_inventory",
        "port_in_module_name": "knm_telnyx",
        "carrier_modules": ["knm_local", "knm_other"],
        "features": {"allow": ["cnam", "e911"], "deny": ["failover"]},
        "local_feature_override": True,
        "cnam_provider": "knm_telnyx_cnam",
        "e911_provider": "knm_telnyx_e911",
        "discovery_expiry_d": 2,
        "aging_expiry_d": 0,
    }
    config, warnings = read({"_id": "number_manager", "default": default})
    assert warnings == ()
    assert config.e164_converters == (Converter("^00(\\d*)$", "+"), Converter("^([1-9]\\d{7,})$", "+"))
    assert config.reconcile_regex == "^\\+\\d{8,25}$"
    assert [(c.name, c.regex, c.friendly_name) for c in config.classifiers] == [("short", "^\\d{3}$", "short")]
    assert not any(
        (
            config.force_local_outbound,
            config.force_port_in_outbound,
            config.force_port_out_outbound,
            config.fetch_account_from_ports,
        )
    )
    assert all(
        (
            config.default_force_outbound,
            config.use_stepswitch_cnam,
            config.should_permanently_delete,
            config.should_age,
        )
    )
    assert (config.released_state, config.available_module_name) == ("released", "knm_inventory")
    assert config.port_in_module_name == "knm_telnyx"
    assert config.carrier_modules == ("knm_local", "knm_other")
    assert config.features == FeaturePermissions(("cnam", "e911"), ("failover",))
    assert config.local_feature_override
    assert (config.cnam_provider, config.e911_provider) == ("knm_telnyx_cnam", "knm_telnyx_e911")
    assert (config.discovery_expiry_d, config.aging_expiry_d) == (2, 0)


def test_legacy_names_of_the_manager() -> None:
    config, warnings = read(
        {"default": {"porting_module_name": "wnm_local", "providers": ["wnm_cnam_notifier", "dash_e911", "prepend"]}}
    )
    assert warnings == ()
    assert config.port_in_module_name == "wnm_local"
    assert config.features == FeaturePermissions(("cnam", "e911", "prepend"))


def test_converters_keep_their_order() -> None:
    rules = {"^4(\\d+)$": {"prefix": "first "}, "^(\\d+)$": {"prefix": "second "}}
    for given, number in ((rules, "first 1"), (dict(reversed(rules.items())), "second 41")):
        config, _ = read({"default": {"e164_converters": given}})
        assert convert("41", DialPlan("p", converters=config.e164_converters))[0] == number


def test_no_converters_is_a_choice() -> None:
    assert read({"default": {"e164_converters": {}}}) == (NumberManagerConfig(e164_converters=()), ())


@pytest.mark.parametrize(
    ("older", "newer", "expected"), [(False, None, False), (False, True, True), ("false", None, False)]
)
def test_legacy_name_of_a_flag(older: object, newer: object, *, expected: bool) -> None:
    config, warnings = read({"default": {"force_wnm_local_outbound": older, "force_local_outbound": newer}})
    assert (config.force_local_outbound, warnings) == (expected, ())


@pytest.mark.parametrize(
    ("default", "message"),
    [
        ({"e164_converters": {"(": {"prefix": "+"}}}, "e164_converters, rule 1: '('"),
        ({"e164_converters": {"^1$": {"prefix": "+"}, "^2$": 5}}, "e164_converters, rule 2"),
        ({"e164_converters": ["^1$"]}, "e164_converters is a list"),
        ({"reconcile_regex": "("}, "reconcile_regex: '('"),
        ({"reconcile_regex": 5}, "reconcile_regex is 5"),
        ({"classifiers": []}, "classifiers is a list"),
        ({"classifiers": {"mine": "("}}, "classifier 'mine': '('"),
        ({"classifiers": {"mine": {"regex": 5}}}, "classifiers.mine.regex is 5"),
        ({"classifiers": {"a\nb": "^1$"}}, "names a classifier 'a\\nb'"),
        ({"classifiers": {"mine": 5}}, "classifiers.mine is 5"),
        ({"force_local_outbound": "yes"}, "force_local_outbound is 'yes'"),
        ({"force_wnm_local_outbound": 1}, "force_wnm_local_outbound is 1: it must be true or false"),
        ({"released_state": ["released"]}, "released_state is a list"),
        ({"released_state": "in_service"}, "released_state is 'in_service': use available, aging, released"),
        ({"aging_expiry_d": -1}, "aging_expiry_d is -1: it must be a whole number from 0 to 36500"),
        ({"features": {"allow": "cnam"}}, "features.allow is 'cnam': it must be a list of words"),
        ({"features": []}, "features is a list"),
        ({"carrier_modules": 5}, "carrier_modules is 5"),
        ([], "number_manager.default is a list"),
    ],
)
def test_unusable_value_gives_way_to_its_default(default: object, message: str) -> None:
    config, warnings = read({"default": default})
    assert config == NumberManagerConfig()
    assert len(warnings) == 1
    assert message in warnings[0]
    assert warnings[0].startswith("number_manager.default")


def test_unusable_classifier_gives_way_to_kazoos_own() -> None:
    config, warnings = read({"default": {"classifiers": {"did_us": "(", "toll_us": 5, "unknown": "^.*$"}}})
    by_name = {classifier.name: classifier for classifier in DEFAULT_CLASSIFIERS}
    assert config.classifiers[:2] == (by_name["toll_us"], by_name["did_us"])
    assert config.classifiers[2].regex == "^.*$"
    assert len(warnings) == 2


def test_classifiers_saved_alphabetically_are_put_back_in_order() -> None:
    saved = {c.name: {"regex": c.regex} for c in DEFAULT_CLASSIFIERS}
    saved |= {"a_first": {"regex": "^1$"}, "zz_last": {"regex": "^2$"}}
    config, _ = read({"default": {"classifiers": dict(sorted(saved.items()))}})
    names = [classifier.name for classifier in config.classifiers]
    known = [classifier.name for classifier in DEFAULT_CLASSIFIERS[:-1]]
    assert names == ["a_first", *known, "zz_last", "unknown"]


def test_classifier_fields() -> None:
    entry = {"regex": "^1$", "friendly_name": "One", "pretty_print": "#", "emergency": True}
    one, two = read({"default": {"classifiers": {"one": entry, "two": {}}}})[0].classifiers
    assert (one.friendly_name, one.pretty_print, one.emergency) == ("One", "#", True)
    assert (two.regex, two.friendly_name, two.pretty_print, two.emergency) == ("^$", "two", None, False)
