"""Requests for operations on numbers, and the plans that come of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from router.numbers.documents import NumberDocument

SYSTEM = "system"
"""The requester without an account, which may do everything."""


class Operation(StrEnum):
    """The operations of the number manager."""

    GET = "get"
    CREATE = "create"
    RESERVE = "reserve"
    MOVE = "move"
    RELEASE = "release"
    DELETE = "delete"
    UPDATE = "update"
    ASSIGN_TO_APP = "assign_to_app"
    CHANGE_STATE = "change_state"
    """A transition to `state` by KAZOO's own table, for background work and the table's cases."""


@dataclass(frozen=True, slots=True)
class Imported:
    """History of a number that an import brings; accepted only from SYSTEM.

    Attributes:
        created: Gregorian seconds; None: now.
        previously_assigned_to: the last other account that owned it.
        reserve_history: accounts that reserved it, most recent first; None: as the operation makes it.
        used_by: the application that uses it.
        ported_in: whether it was ever ported in; None: as the operation makes it.
        document: a whole document, restored unchanged: its features are active already, and no carrier is asked.
    """

    created: int | None = None
    previously_assigned_to: str | None = None
    reserve_history: tuple[str, ...] | None = None
    used_by: str | None = None
    ported_in: bool | None = None
    document: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class OperationRequest:
    """One operation on one number.

    Attributes:
        number: as given; E.164 once the manager has normalised it.
        auth_by: the requesting account, or SYSTEM.
        assign_to: the account to assign it to.
        state: CREATE: the state to create it in (None: in_service); CHANGE_STATE: the target.
        module_name: CREATE: its carrier module (None: the configured one).
        public_fields: UPDATE, CREATE, MOVE, RESERVE: fields without `pvt_`, which may request features.
        merge: UPDATE: merge the public fields into the existing ones (None values remove) instead of replacing them.
        ported_in: CREATE: whether it was ported in.
        used_by: ASSIGN_TO_APP: the application; None for none.
        mdn_run: whether the request manages mobile numbers (knm_mdn).
        dry_run: decide only, change nothing.
        imported: CREATE: history that an import brings.
    """

    operation: Operation
    number: str
    auth_by: str
    assign_to: str | None = None
    state: str | None = None
    module_name: str | None = None
    public_fields: Mapping[str, Any] | None = None
    merge: bool = True
    ported_in: bool = False
    used_by: str | None = None
    mdn_run: bool = False
    dry_run: bool = False
    imported: Imported | None = None


class CarrierStep(StrEnum):
    """The request to the carrier before a plan is carried out."""

    NONE = "none"
    ACQUIRE = "acquire"
    DISCONNECT = "disconnect"


@dataclass(frozen=True, slots=True)
class Plan:
    """The decided outcome of a request.

    Attributes:
        before: the current document; None where there is none.
        after: the document after the operation; None: it is deleted.
        carrier: the request to the carrier that comes first.
        clears_features: every feature's provider removes its feature first; `after` already lacks the features and the
            public fields.
        changed: False where nothing is to be written (no difference, or only a read).
        verbatim: `after.fields` is written unchanged but for `pvt_modified`.
    """

    before: NumberDocument | None
    after: NumberDocument | None
    carrier: CarrierStep = CarrierStep.NONE
    clears_features: bool = False
    changed: bool = True
    verbatim: bool = False
