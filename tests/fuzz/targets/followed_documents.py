"""Accounts, port requests and the cluster's configuration: from their documents over Redis into a worker's memory.

Whatever stands in Redis, the worker goes on, and what is sound beside it counts.
"""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from unittest.mock import Mock

import orjson

from router.entries import entry_builder
from router.numbers import accounts, port_requests, rules
from router.numbers.fields import Skipped, is_false, is_true
from router.numbers.kazoo_databases import ACCOUNTS, NUMBER_MANAGER, PORT_REQUESTS, SYSTEM_CONFIG
from router.redis_store.keys import Keys
from router.reference_data.reference_data import ReferenceData
from router.trust.monitor import TrustMonitor
from tests.fuzz.source import APART, Source
from tests.fuzz.target import Target

_KEYS = Keys("did-router:")
_DATABASES = (ACCOUNTS, PORT_REQUESTS, SYSTEM_CONFIG)
_ID = "4cad0b7f" * 4
_REVISION = "1-" + "a" * 32
_NUMBER = "+14158867900"
_NAMES = [
    "_id",
    "_rev",
    "_deleted",
    "pvt_type",
    "pvt_enabled",
    "pvt_deleted",
    "pvt_tree",
    "name",
    "realm",
    "pvt_superduper_admin",
    "pvt_wnm_allow_additions",
    "pvt_account_id",
    "pvt_port_state",
    "numbers",
    "default",
    "reconcile_regex",
    "e164_converters",
    "regex",
    "prefix",
]
_WORDS = (
    *_NAMES,
    "account",
    "port_request",
    "submitted",
    "completed",
    "true",
    "false",
    _ID,
    _NUMBER,
    "number_manager",
    "^\\+1",
)


def check(data: bytes) -> None:
    """The first byte chooses the database, and whether a document is followed or Redis holds any bytes."""
    source = Source(data)
    kind = source.byte()
    database = _DATABASES[kind % 3]
    if kind & 4:
        _anybodys(database, source.rest())
    elif isinstance(doc := _document(database, source), dict):
        _followed(database, doc)


def _document(database: str, source: Source) -> object:
    if source.flag():
        with suppress(orjson.JSONDecodeError):
            return orjson.loads(source.rest())
        return None
    doc: dict[str, Any] = {"_id": NUMBER_MANAGER if database == SYSTEM_CONFIG else _ID, "_rev": _REVISION}
    if database == PORT_REQUESTS:
        doc |= {
            "pvt_type": "port_request",
            "pvt_port_state": "submitted",
            "pvt_account_id": _ID,
            "numbers": {_NUMBER: {}},
        }
    while not source.is_empty:
        doc[source.name(_NAMES)] = source.json(_WORDS)
    return doc


def _followed(database: str, doc: Mapping[str, Any]) -> None:
    try:
        value = entry_builder.document_value(database, doc)
    except ValueError:
        return  # its revision is none, for the follower to tell
    worker = ReferenceData(Mock(), _KEYS, TrustMonitor())
    if value is None or not isinstance(doc.get("_deleted"), bool | None):  # CouchDB knows no other
        return
    identifier = str(doc.get("_id"))
    if not identifier or "\0" in identifier:  # published, that says: read everything again
        return
    _take(worker, database, identifier, value)
    if database == ACCOUNTS:
        read = accounts.read(doc)
        there = isinstance(read, accounts.AccountDocument) and not read.deleted
        enabled = doc.get("pvt_enabled")
        assert (identifier in worker.enabled) == (there and isinstance(read, accounts.AccountDocument) and read.enabled)
        assert not (is_true(doc.get("pvt_deleted")) and identifier in worker.enabled)
        assert not (is_false(enabled) and identifier in worker.enabled)
    elif database == PORT_REQUESTS:
        _port(worker, doc)
    elif identifier == NUMBER_MANAGER:
        rules.build(worker.config)


def _port(worker: ReferenceData, doc: Mapping[str, Any]) -> None:
    """Check that the route goes to the account that the request names, and only where it is active."""
    for number, requests in worker.port_requests.items():
        (request,) = requests
        assert request.account_id == doc["pvt_account_id"]
        assert number in doc["numbers"]
        assert doc["pvt_port_state"] in port_requests.ACTIVE_STATES
    if isinstance(read := port_requests.read(doc), Skipped) or not read.active or not read.account_id:
        assert not worker.port_requests
    else:
        assert worker.port_requests.keys() == read.numbers


def _take(worker: ReferenceData, database: str, identifier: str, value: bytes) -> None:
    worker._take(b"\0".join((database.encode(), identifier.encode("utf-8", "replace"), value)))


def _anybodys(database: str, value: bytes) -> None:
    worker = ReferenceData(Mock(), _KEYS, TrustMonitor())
    identifier, _, value = value.partition(APART)
    name = NUMBER_MANAGER if database == SYSTEM_CONFIG else identifier.decode("utf-8", "replace") or "a"
    _take(worker, database, name, value)
    for number, requests in worker.port_requests.items():
        assert isinstance(number, str)
        assert all(isinstance(each.account_id, str) and each.account_id for each in requests)
    assert worker.config is None or isinstance(worker.config, dict)
    rules.build(worker.config)
    sound = entry_builder.document_value(ACCOUNTS, {"_id": _ID, "_rev": "4294967295-" + "f" * 32})
    assert sound is not None
    _take(worker, ACCOUNTS, _ID, sound)
    assert _ID in worker.enabled, "what is sound counts"


TARGET = Target(
    "followed_documents",
    check,
    dictionary=(
        *_WORDS,
        b"\0",
        b"\0" + bytes(20),
        '["' + _ID + '","+14158867900"]',
        '{"reconcile_regex":"^x"}',
        '"pvt_enabled":false',
        '"pvt_port_state":"submitted"',
        '"numbers":{"+14158867900":{}}',
        "[[[[",
    ),
    longest=1024,
)
