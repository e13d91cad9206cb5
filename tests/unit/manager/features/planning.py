"""Numbers, and what is asked of their features, without any store."""

from collections.abc import Mapping
from typing import Any

from router.lifecycle.document_writer import encode_document, without_usage
from router.lifecycle.errors import NumberError
from router.lifecycle.operations import SYSTEM, Operation, OperationRequest, Plan
from router.lifecycle.public_fields import with_requested_fields
from router.manager.features.plan import FeaturePlan
from router.manager.features.registry import FeatureRegistry
from router.numbers import documents, system_config
from router.numbers.accounts import AccountDocument
from router.numbers.documents import NumberDocument
from router.numbers.fast_replace import fast_replace
from router.numbers.system_config import NumberManagerConfig
from router.settings import Settings

NUMBER = "+14158867900"
ACCOUNT, ADMIN = "a" * 32, "b" * 32
NOW = 63877497874
ADDRESS = {"street_address": "140 Geary St.", "locality": "San Francisco", "region": "CA", "postal_code": "94108"}

FEATURES = FeatureRegistry(Settings.load(None))
ACCOUNTS = {
    ACCOUNT: AccountDocument(ACCOUNT, "1-a", enabled=True, deleted=False, name="", realm=""),
    ADMIN: AccountDocument(ADMIN, "1-a", enabled=True, deleted=False, name="", realm="", superduper_admin=True),
}


def number(**fields: Any) -> NumberDocument:
    """A document as it stands, the page's way, in service for an account and by a carrier outside."""
    own = {
        "_id": NUMBER,
        "_rev": "1-a",
        "pvt_type": "number",
        "pvt_number_state": "in_service",
        "pvt_assigned_to": ACCOUNT,
        "pvt_module_name": "knm_inventory",
        "pvt_features": [],
        "pvt_created": NOW,
        "pvt_modified": NOW,
    }
    read = documents.read({**own, **fields})
    assert isinstance(read, NumberDocument)
    return read


def newer(**fields: Any) -> NumberDocument:
    """A number as KAZOO 5 writes it."""
    return number(**{"pvt_number_state": None, "pvt_state": "in_service", "pvt_features": {}, **fields})


def config(**settings: Any) -> NumberManagerConfig:
    """The cluster's settings."""
    read, problems = system_config.read({"default": settings})
    assert problems == ()
    return read


def update(
    before: NumberDocument,
    public: Mapping[str, Any] | None = None,
    *,
    merge: bool = True,
    auth_by: str = SYSTEM,
    settings: NumberManagerConfig | None = None,
    features: FeatureRegistry = FEATURES,
    **changes: Any,
) -> FeaturePlan:
    """Return the result of an update of public fields, or of other changes of the document."""
    operation = Operation.CHANGE_STATE if public is None else Operation.UPDATE
    ask = OperationRequest(operation, before.number, auth_by, public_fields=public, merge=merge)
    after = fast_replace(with_requested_fields(before, public, merge=merge), **changes)
    return features.prepare(Plan(before, after), ask, settings or config(), ACCOUNTS)


def release(
    before: NumberDocument, features: FeatureRegistry = FEATURES, settings: NumberManagerConfig | None = None
) -> Any:
    """Return the result of a release."""
    after = fast_replace(without_usage(before), state="available", assigned_to=None)
    plan = Plan(before, after, clears_features=True)
    return features.prepare(
        plan, OperationRequest(Operation.RELEASE, before.number, SYSTEM), settings or config(), ACCOUNTS
    )


def done(plan: FeaturePlan, features: FeatureRegistry = FEATURES) -> NumberDocument:
    """Carried out, written, and read again."""
    after = features.carry_out(plan, key="key", dry_run=False)
    assert after is not None
    read = documents.read({**encode_document(after, plan.before, now=NOW), "_rev": "2-b"})
    assert isinstance(read, NumberDocument)
    assert read.features == after.features, "what is written must be read as what was meant"
    return read


def refused(act: Any) -> NumberError:
    """The error that it ends in."""
    try:
        act()
    except NumberError as error:
        return error
    raise AssertionError("it was not refused")
