"""Under any sequence of changes, features and fields agree, and asking twice changes nothing the second time."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from router.lifecycle.errors import NumberError
from router.manager.features import calls, notified
from router.manager.features.feature_encoding import encoding_of
from router.manager.features.permissions import permissions_of
from router.manager.features.provider import FeatureProvider, ProviderSetup
from router.numbers.documents import NumberDocument
from router.numbers.states import State
from tests.support.examples import examples
from tests.unit.manager.features.planning import ACCOUNT, ADDRESS, done, newer, number, update

SETUP = ProviderSetup("", {})
OWN: list[FeatureProvider] = [
    make(SETUP)
    for make in (
        calls.prepend,
        calls.failover,
        calls.force_outbound,
        calls.ringback,
        notified.cnam,
        notified.e911,
        notified.port,
    )
]

texts = st.sampled_from(["", "A", "Acme", "x" * 15, "x" * 16, "sip:a@b", "+14158867901", "a\nb", None, 7])
flags = st.sampled_from([True, False, "true", "false", "maybe", None])
addresses = st.fixed_dictionaries(
    dict.fromkeys(("street_address", "locality", "postal_code"), st.sampled_from(["1 Geary", "SF", None])),
    optional={"region": st.sampled_from(["CA", "C"]), "caller_name": texts, "status": texts, "latitude": texts},
) | st.just(ADDRESS)
fields: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "cnam": st.none() | st.fixed_dictionaries({}, optional={"display_name": texts, "inbound_lookup": flags}),
        "e911": st.none() | addresses,
        "dash_e911": st.none() | addresses,
        "prepend": st.none() | st.fixed_dictionaries({}, optional={"enabled": flags, "name": texts, "z": texts}),
        "failover": st.none() | st.fixed_dictionaries({}, optional={"e164": texts, "sip": texts}),
        "force_outbound": flags,
        "ringback": st.none() | st.fixed_dictionaries({}, optional={"early": texts, "transfer": texts}),
        "port": st.none() | st.dictionaries(st.sampled_from(["port_id", "comments"]), texts | st.just([])),
        "note": texts,
    },
)
changes = st.fixed_dictionaries(
    {},
    optional={
        "state": st.sampled_from(list(State)),
        "module_name": st.sampled_from(["knm_local", "knm_mdn", "knm_inventory"]),
        "assigned_to": st.sampled_from([ACCOUNT, None]),
        "used_by": st.sampled_from(["trunkstore", "callflow", None]),
    },
)
steps = st.tuples(st.none() | fields, st.booleans(), changes)


def _agree(document: NumberDocument) -> None:
    public = encoding_of(document.fields).public(document.fields)
    permitted = permissions_of(document, allow=(), deny=(), local_feature_override=False)
    for provider in OWN:
        on = document.features.keys() & provider.features
        if document.state not in provider.states:
            assert not on or provider.kept_outside_states
            continue
        requested = provider.requested(public, document)
        assert on == {feature for feature in requested if permitted.refusal(provider, feature) is None}
        for feature in on:
            assert (
                requested[feature].items() <= document.features[feature].items()
                if isinstance(requested[feature], dict)
                else requested[feature] == document.features[feature]
            )


def _step(document: NumberDocument, step: tuple[dict[str, Any] | None, bool, dict[str, Any]]) -> NumberDocument:
    public, merge, changed = step
    try:
        plan = update(document, public, merge=merge, **changed)
    except NumberError:
        return document
    after = done(plan)
    again = update(after, public, merge=merge, **changed)
    assert not again.work
    assert again.after == after, "the second time nothing changes"
    return after


@settings(max_examples=examples(300))
@given(st.sampled_from([number, newer]), st.lists(steps, min_size=1, max_size=4))
def test_plan_any_changes_keep_features_and_fields_consistent(make: Any, taken: list[Any]) -> None:
    document = make()
    for step in taken:
        document = _step(document, step)
        _agree(document)
