"""What somebody asks to be done to a number, and what is to come of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from router.numbers.documents import NumberDocument

SYSTEM = "system"
"""Who acts when no account does: may do everything."""


class Operation(StrEnum):
    """What can be asked of the number manager."""

    GET = "get"
    CREATE = "create"
    RESERVE = "reserve"
    MOVE = "move"
    RELEASE = "release"
    DELETE = "delete"
    UPDATE = "update"
    ASSIGN_TO_APP = "assign_to_app"
    CHANGE_STATE = "change_state"
    """To `state`, by KAZOO's own table; background work and the table's cases use it."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import brings of a number's past; taken over only when SYSTEM asks.

    Attributes:
        created: Gregorian seconds; None: now.
        previously_assigned_to: the last other account that had it.
        reserve_history: accounts that reserved it, most recent first; None: as the operation makes it.
        used_by: the application that uses it.
        ported_in: it was ported in, once; None: as the operation makes it.
        document: a whole document, put back as it is: features are on already, no carrier is asked.
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
        auth_by: the account that asks, or SYSTEM.
        assign_to: the account that shall have it.
        state: CREATE: the state to create it in (None: in_service); CHANGE_STATE: the target.
        module_name: CREATE: its carrier module (None: the configured one).
        public_fields: UPDATE, CREATE, MOVE, RESERVE: fields without `pvt_`, which may ask for features.
        merge: UPDATE: put the public fields over those that stand (None values remove), instead of in their place.
        ported_in: CREATE: it was ported in.
        used_by: ASSIGN_TO_APP: the application; None for none.
        mdn_run: the asker looks after mobile numbers (knm_mdn).
        dry_run: say what would come of it, change nothing.
        imported: CREATE: what an import brings beside.
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
    """What the carrier has to be asked before a plan is carried out."""

    NONE = "none"
    ACQUIRE = "acquire"
    DISCONNECT = "disconnect"


@dataclass(frozen=True, slots=True)
class Plan:
    """What an ask comes to, decided without I/O.

    Attributes:
        before: the document as it stands; None where there is none.
        after: as it shall be; None: the document goes.
        carrier: what the carrier is asked first.
        clears_features: every feature's provider removes it first, and the public fields go; `after` is
            without them already.
        changed: False: nothing needs to be written (it is so already, or only Get was asked).
        verbatim: `after.fields` is written as it is, but for `pvt_modified`.
    """

    before: NumberDocument | None
    after: NumberDocument | None
    carrier: CarrierStep = CarrierStep.NONE
    clears_features: bool = False
    changed: bool = True
    verbatim: bool = False
