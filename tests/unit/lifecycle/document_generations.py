"""Number documents as each generation of KAZOO wrote them, for hypothesis: all that a cluster may hold."""

import json
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from router.numbers.states import State
from tests.unit.lifecycle.numbers_and_accounts import NUMBER, C, M, R, U

FIXTURES: list[dict[str, Any]] = [
    {"_rev": "1-a", **case["input"]}
    for case in json.loads((Path(__file__).parents[2] / "cases" / "documents.json").read_text())["documents"]
    if isinstance(case["expected"], dict)
]
"""The documents of tests/cases/documents.json that are numbers'."""

ACCOUNT = st.sampled_from((M, R, C, U))
STATE = st.sampled_from([state.value for state in State])
HISTORY = st.lists(ACCOUNT, max_size=4)
MODULE = st.sampled_from(("knm_local", "knm_mdn", "knm_telnyx", "knm_other", "knm_bandwidth2"))
OLDER_MODULE = st.sampled_from(("wnm_local", "wnm_bandwidth", "wnm_pacwest", "undefined", ""))
WORD = st.sampled_from(("a", "b", "+14155550100", "sip:a@example.com"))
SECONDS = st.integers(62_000_000_000, 63_900_000_000)

ADDRESS = st.fixed_dictionaries({"postal_code": WORD}, optional={"caller_name": WORD, "status": WORD})
FEATURES: dict[str, st.SearchStrategy[Any]] = {
    "prepend": st.fixed_dictionaries({"enabled": st.booleans(), "name": WORD}),
    "failover": st.one_of(st.fixed_dictionaries({"e164": WORD}), st.fixed_dictionaries({"sip": WORD})),
    "ringback": st.fixed_dictionaries({"early": WORD}, optional={"transfer": WORD}),
    "force_outbound": st.booleans(),
    "outbound_cnam": st.fixed_dictionaries({"display_name": WORD}),
    "inbound_cnam": st.just({"inbound_lookup": True}),
    "e911": ADDRESS,
    "port": st.fixed_dictionaries({"port_id": WORD}),
}
SETTINGS = st.fixed_dictionaries({}, optional=FEATURES)
"""Feature to settings, as providers would keep them."""

_PUBLIC = {
    "prepend": FEATURES["prepend"],
    "failover": FEATURES["failover"],
    "ringback": FEATURES["ringback"],
    "force_outbound": st.one_of(st.booleans(), st.just("true")),
    "cnam": st.fixed_dictionaries({}, optional={"display_name": WORD, "inbound_lookup": st.booleans()}),
    "dash_e911": ADDRESS,
    "e911": ADDRESS,
    "port": FEATURES["port"],
}
_OTHERS = {
    "my_field": st.one_of(WORD, st.none(), st.lists(WORD, max_size=2)),
    "ui_metadata": st.fixed_dictionaries({"version": WORD}),
    "pvt_region": WORD,
    "pvt_features_allowed": st.lists(WORD, max_size=1),
    "pvt_resource_db": WORD,
    "state": STATE,
    "features": st.lists(WORD, max_size=1),
    "id": st.just(NUMBER),
    "_attachments": st.just({"loa.pdf": {"stub": True, "length": 5}}),
}
OTHERS = frozenset(_OTHERS)
"""Fields that aren't the number manager's."""

_SHARED = {
    "_rev": st.just("1-a"),
    "pvt_assigned_to": st.one_of(ACCOUNT, st.just("")),
    "pvt_previously_assigned_to": ACCOUNT,
    "pvt_used_by": st.sampled_from(("callflow", "trunkstore")),
    "pvt_authorizing_account": st.one_of(ACCOUNT, st.just("system")),
    "pvt_ported_in": st.one_of(st.booleans(), st.sampled_from(("true", "false"))),
    "pvt_created": st.one_of(SECONDS, st.just("undefined")),
    "pvt_modified": SECONDS,
    "pvt_type": st.just("number"),
    "pvt_db_name": st.sampled_from(("numbers%2F%2B1415", "numbers/+1415", "numbers%2F%2B415")),
    "pvt_reserve_history": HISTORY,
}
_LEGACY_NAMES = st.lists(
    st.sampled_from((*FEATURES, "dash_e911", "vitelity_e911", "inbound_lookup", "local")), max_size=4, unique=True
)
_LEGACY = {
    "pvt_number_state": STATE,
    "pvt_module_name": st.one_of(MODULE, OLDER_MODULE),
    "pvt_module_data": st.fixed_dictionaries({}, optional={"order": WORD}),
    "pvt_features": _LEGACY_NAMES,
    "used_by": st.sampled_from(("", "callflow")),
}
_NEWER = {
    "pvt_state": STATE,
    "pvt_module_name": MODULE,
    "pvt_carrier_data": st.fixed_dictionaries({}, optional={"order": WORD}),
    "pvt_features": st.fixed_dictionaries(
        {}, optional={**FEATURES, "dash_e911": ADDRESS, "vitelity_e911": ADDRESS, "local": st.just({})}
    ),
}


def _of(own: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({"_id": st.just(NUMBER)}, optional={**_SHARED, **_PUBLIC, **_OTHERS, **own})


LEGACY_DOCUMENTS = _of(_LEGACY)
NEWER_DOCUMENTS = _of(_NEWER)
MIXED_DOCUMENTS = _of({**_LEGACY, **_NEWER, "pvt_features": st.one_of(_LEGACY["pvt_features"], _NEWER["pvt_features"])})
DOCUMENTS = st.one_of(LEGACY_DOCUMENTS, NEWER_DOCUMENTS, MIXED_DOCUMENTS, st.sampled_from(FIXTURES))
