"""Realistic numbers from all over the world, for the demo and for trying things out.

`phonenumbers` ships an example number for every region and type. The accounts are invented; every state and every
generation of number document appears.
"""

from collections import defaultdict
from collections.abc import Iterator
from hashlib import md5
from typing import Any

import phonenumbers
from phonenumbers import PhoneNumberFormat, PhoneNumberType

from router.numbers import gregorian
from router.numbers.shards import encoded, shard_for
from router.numbers.states import State

_CREATED = gregorian.from_unix(1_710_278_674)

ACCOUNT_NAMES = ("Acme Telecom", "Blue Harbour Hotels", "Cedar Clinic", "Dockside Freight", "Elm Street School")


def account_id(name: str) -> str:
    """Return an invented account id: 32 hex characters, as KAZOO's."""
    return md5(name.encode(), usedforsecurity=False).hexdigest()


ACCOUNTS = {account_id(name): name for name in ACCOUNT_NAMES}
DISABLED_NAME = "Closed Shop"
DISABLED = account_id(DISABLED_NAME)


def account_documents() -> list[dict[str, Any]]:
    """Return account documents; one account is disabled."""
    made = [
        {"_id": identifier, "pvt_type": "account", "name": name, "pvt_enabled": True, "pvt_tree": []}
        for identifier, name in ACCOUNTS.items()
    ]
    closed = {"_id": DISABLED, "pvt_type": "account", "name": DISABLED_NAME, "pvt_enabled": False, "pvt_tree": []}
    return [*made, closed]


def examples() -> Iterator[str]:
    """Yield every example number once, as E.164."""
    seen = set()
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        for kind in PhoneNumberType.values():
            found = phonenumbers.example_number_for_type(region, kind)
            if found is None:
                continue
            number = phonenumbers.format_number(found, PhoneNumberFormat.E164)
            if number not in seen and shard_for(number) is not None:
                seen.add(number)
                yield number


def number_documents() -> dict[str, list[dict[str, Any]]]:
    """Return number documents by database: each example number in one state and one encoding."""
    by_database: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    accounts = list(ACCOUNTS)
    for index, number in enumerate(examples()):
        database = shard_for(number) or ""
        by_database[database].append(_document(index, number, accounts[index % len(accounts)], database))
    return dict(by_database)


def _document(index: int, number: str, account: str, database: str) -> dict[str, Any]:
    # As in a real cluster, most numbers are in service.
    states = [state.value for state in State]
    state = states[(index // 3) % len(states)] if index % 3 == 0 else "in_service"
    return _SPELLINGS[index % len(_SPELLINGS)](number, state, account, database)


def _page(number: str, state: str, account: str, database: str) -> dict[str, Any]:
    """Return a document as KAZOO's Number Document page describes it."""
    return {
        "_id": number,
        "pvt_type": "number",
        "pvt_db_name": encoded(database),
        "pvt_number_state": state,
        "pvt_assigned_to": account,
        "pvt_authorizing_account": account,
        "pvt_module_name": "knm_bandwidth2",
        "pvt_module_data": {},
        "pvt_features": ["prepend", "failover"],
        "prepend": {"enabled": True, "name": "Sales"},
        "failover": {"e164": "+14155550100"},
        "pvt_reserve_history": [account],
        "pvt_ported_in": False,
        "pvt_created": _CREATED,
        "pvt_modified": _CREATED,
    }


def _newest(number: str, state: str, account: str, database: str) -> dict[str, Any]:
    """Return a document as KAZOO 5 writes it."""
    return {
        "_id": number,
        "pvt_type": "number",
        "pvt_db_name": encoded(database),
        "pvt_state": state,
        "pvt_assigned_to": account,
        "pvt_module_name": "knm_telnyx",
        "pvt_carrier_data": {"order": "A-1"},
        "pvt_features": {
            "ringback": {"early": "media1", "transfer": "media2"},
            "inbound_cnam": {"inbound_lookup": True},
        },
        "pvt_ported_in": True,
        "pvt_used_by": "callflow",
        "pvt_created": _CREATED,
        "pvt_modified": _CREATED,
    }


def _oldest(number: str, state: str, account: str, database: str) -> dict[str, Any]:
    """Return a document as early clusters wrote it: times "undefined", no features, the old module name."""
    return {
        "_id": number,
        "pvt_type": "number",
        "pvt_db_name": encoded(database),
        "pvt_number_state": state,
        "pvt_assigned_to": account,
        "pvt_module_name": "wnm_local",
        "pvt_created": "undefined",
        "pvt_modified": "undefined",
        "pvt_resource_db": "account",
        "used_by": "",
    }


def _public_e911(number: str, state: str, account: str, database: str) -> dict[str, Any]:
    """Return a document with the public emergency address of older interfaces, and custom fields."""
    return _oldest(number, state, account, database) | {
        "pvt_module_name": "wnm_pacwest",
        "pvt_features": [],
        "dash_e911": {
            "postal_code": "94107",
            "street_address": "116 Natoma St",
            "locality": "San Francisco",
            "region": "CA",
        },
        "my_own_field": "kept",
    }


def _both_states(number: str, state: str, account: str, database: str) -> dict[str, Any]:
    """Return a half-migrated document with both state fields."""
    return _page(number, "in_service", account, database) | {
        "pvt_state": state,
        "pvt_features": {"force_outbound": False},
    }


def _bare(number: str, state: str, account: str, database: str) -> dict[str, Any]:
    """Return a document with nothing but the fields that routing needs."""
    del database
    return {"_id": number, "pvt_number_state": state, "pvt_assigned_to": account}


def _feature_object(number: str, state: str, account: str, database: str) -> dict[str, Any]:
    """Return a document with an older feature name in the feature object, no times, and a renamed module."""
    del database
    return {
        "_id": number,
        "pvt_type": "number",
        "pvt_state": state,
        "pvt_assigned_to": account,
        "pvt_module_name": "wnm_bandwidth",
        "pvt_features": {"dash_e911": {"postal_code": "94107"}, "prepend": {"enabled": "true", "name": "Desk"}},
        "used_by": "callflow",
    }


def _stray_features(number: str, state: str, account: str, database: str) -> dict[str, Any]:
    """Return a local number with caller-name features, and words in place of missing values."""
    return _newest(number, state, account, database) | {
        "pvt_module_name": "undefined",
        "pvt_features": ["inbound_cnam", "outbound_cnam"],
        "pvt_previously_assigned_to": "",
        "cnam": {"display_name": "ACME"},
    }


_SPELLINGS = (
    _page,
    _newest,
    _oldest,
    _public_e911,
    _both_states,
    _bare,
    _feature_object,
    _stray_features,
)
