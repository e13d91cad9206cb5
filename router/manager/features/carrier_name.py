"""`carrier_name`: lets an administrator move a number to another carrier; the field itself is never kept."""

from collections.abc import Collection, Mapping

from router.lifecycle import errors
from router.lifecycle.operations import SYSTEM, OperationRequest
from router.numbers.accounts import AccountDocument
from router.numbers.carriers import MDN, is_module_name, module_name
from router.numbers.documents import NumberDocument
from router.numbers.fast_replace import fast_replace
from router.numbers.fields import is_unset, shown

FIELD = "carrier_name"

_MAX_LENGTH = 30


def apply_carrier_name(
    number: NumberDocument,
    request: OperationRequest,
    accounts: Mapping[str, AccountDocument],
    carriers: Collection[str],
) -> tuple[NumberDocument, OperationRequest]:
    """Return the number under its new carrier, and the request without that field.

    Args:
        number: as it will be written.
        accounts: must include the calling account.
        carriers: the installed ones, by `pvt_module_name`.

    Raises:
        NumberError: the caller is no administrator, the carrier is not installed, or a mobile number is involved.
    """
    given = request.public_fields
    if not given or FIELD not in given:
        return number, request
    requested = given[FIELD]
    request = fast_replace(request, public_fields={name: value for name, value in given.items() if name != FIELD})
    if is_unset(requested):
        return number, request
    asker = accounts.get(request.auth_by)
    if request.auth_by != SYSTEM and not (asker is not None and asker.superduper_admin):
        raise errors.forbidden(FIELD, f"{FIELD} is for administrators")
    name = _known(requested, carriers)
    if name == number.module_name:
        return number, request
    if request.auth_by != SYSTEM and MDN in (name, number.module_name) and not request.mdn_run:
        raise errors.forbidden(FIELD, f"only a mobile-number run (mdn_run) moves a number to or from {MDN}")
    return fast_replace(number, module_name=name), request


def _known(requested: object, carriers: Collection[str]) -> str:
    if not isinstance(requested, str) or not 1 <= len(requested) <= _MAX_LENGTH or not is_module_name(requested):
        raise errors.invalid(
            f"{FIELD} is {shown(requested)}: it must be a carrier's name of 1 to {_MAX_LENGTH} characters"
        )
    for name in (module_name(requested), f"knm_{requested}"):
        if name in carriers:
            return name
    raise errors.invalid(f"{FIELD} is {shown(requested)}: no such carrier is installed ({', '.join(sorted(carriers))})")
