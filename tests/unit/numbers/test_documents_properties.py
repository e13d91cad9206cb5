"""No document makes a reader raise: properties of the readers of every kind of document."""

import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from router.numbers import accounts, port_requests, system_config
from router.numbers.documents import NumberDocument, Skipped, read
from router.numbers.routes import Policy, Refused, Route, decide
from router.numbers.states import ROUTABLE

NUMBER = "+14158867900"

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=()))  # lone surrogates too: JSON can spell them
    | st.sampled_from(["in_service", "undefined", "true", "+14158867900", "knm_local", "e164", "x" * 500]),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=10), inner, max_size=5),
    max_leaves=20,
)
NAMES = re.findall(
    r"\w+",
    """
    _rev pvt_type pvt_state pvt_number_state pvt_assigned_to pvt_previously_assigned_to pvt_reserve_history
    pvt_authorizing_account pvt_module_name pvt_features pvt_ported_in pvt_used_by pvt_created pvt_modified
    pvt_deleted _deleted prepend ringback failover cnam force_outbound pvt_account_id pvt_port_state numbers
    pvt_enabled name realm default e164_converters classifiers reconcile_regex
    """,
)
FEATURES = st.dictionaries(
    st.sampled_from(["prepend", "ringback", "failover", "force_outbound", "inbound_cnam", "e911", "dash_e911"]),
    JSON | st.dictionaries(st.sampled_from(["enabled", "name", "early", "transfer", "e164", "sip"]), JSON),
)
DOCUMENTS = st.builds(
    lambda doc_id, fields, kinds, found: {"_id": doc_id, **fields, **kinds, **found},
    JSON | st.just(NUMBER),
    st.dictionaries(st.sampled_from(NAMES), JSON),
    st.fixed_dictionaries({}, optional={"pvt_type": st.sampled_from(["number", "account", "port_request"])}),
    st.fixed_dictionaries({}, optional={"pvt_features": FEATURES | st.lists(st.sampled_from(NAMES) | JSON)}),
)


@given(DOCUMENTS | JSON)
def test_no_document_makes_a_reader_raise(doc: Any) -> None:
    for reader in (accounts.read, port_requests.read):
        reader(doc)
    found = read(doc)
    if isinstance(found, Skipped):
        assert found.reason.isprintable()
        return
    assert all(problem.isprintable() for problem in found.problems)
    answer = decide(found, Policy())
    texts = [value for value in map(answer.__getattribute__, answer.__dataclass_fields__) if isinstance(value, str)]
    assert all(text.isprintable() and len(text) < 1000 for text in texts)
    if isinstance(answer, Route):
        assert all(feature.isascii() for feature in answer.features)
        assert answer.account_id
        assert found.state in ROUTABLE


@given(DOCUMENTS | JSON, st.dictionaries(st.sampled_from(NAMES), JSON))
def test_no_settings_make_their_reader_raise(doc: Any, default: dict[str, object]) -> None:
    for given_one in (doc, {"default": doc}, {"default": default}):
        config, warnings = system_config.read(given_one)
        assert all(warning.isprintable() for warning in warnings)
        Policy.of(config)


def test_nesting_without_end_is_garbage_too() -> None:
    deep: object = 1
    for _ in range(100_000):
        deep = [deep]
    found = read({"_id": NUMBER, **dict.fromkeys(set(NAMES) - {"pvt_type"}, deep)})
    assert isinstance(found, NumberDocument)
    assert found.problems
    assert isinstance(decide(found, Policy()), Refused)
    while isinstance(deep, list):  # take it apart, lest its end overflow the stack
        deep = deep[0]
