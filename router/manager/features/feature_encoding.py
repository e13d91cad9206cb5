"""The two encodings of a number document's features, behind one view.

The older encoding lists names in `pvt_features` and keeps the settings in public fields; the newer one maps names to
settings. An emergency address has four names. Providers see one form: the newer names, and `e911`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from router.lifecycle.document_writer import DERIVED_FIELDS, is_public
from router.manager.features.provider import InvalidFieldsError
from router.numbers import features as reading
from router.numbers.fields import is_unset

E911 = "e911"
LOCAL = "local"

E911_FIELDS = ("e911", "dash_e911", "vitelity_e911", "telnyx_e911")
_E911_FIELDS_LISTED_FIRST = ("dash_e911", "vitelity_e911", "telnyx_e911", "e911")
_ADDED_BY_API = DERIVED_FIELDS | {"_read_only"}
"""Fields that KAZOO's API adds when it shows a number; sending them back requests nothing."""
_NO_FIELDS = frozenset((*_ADDED_BY_API, *E911_FIELDS))


@dataclass(frozen=True, slots=True)
class FeatureEncoding:
    """The encoding of one document's features.

    Attributes:
        listed: `pvt_features` is a list of names, and the settings are in public fields.
        e911_fields: the public fields that hold an emergency address; the first one counts.
    """

    listed: bool
    e911_fields: tuple[str, ...]

    def public(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Return a document's public fields in the providers' form."""
        public = {name: value for name, value in fields.items() if is_public(name) and name not in E911_FIELDS}
        addresses = (fields.get(name) for name in self.e911_fields)
        address = next((each for each in addresses if not is_unset(each)), None)
        return public if address is None else {**public, E911: address}

    def with_public_fields(self, fields: Mapping[str, Any], public: Mapping[str, Any]) -> dict[str, Any]:
        """Return the document with its public fields replaced by these."""
        kept = {name: value for name, value in fields.items() if not is_public(name)}
        kept |= {name: value for name, value in public.items() if name != E911}
        return kept | (dict.fromkeys(self.e911_fields, public[E911]) if E911 in public else {})


_ENCODING_FIELDS = frozenset((reading.FIELD, "pvt_state", *E911_FIELDS))
_PAGE_ENCODING = FeatureEncoding(listed=True, e911_fields=_E911_FIELDS_LISTED_FIRST[:1])


def encoding_of(fields: Mapping[str, Any]) -> FeatureEncoding:
    """Return a document's encoding; a new document gets the older one."""
    if _ENCODING_FIELDS.isdisjoint(fields):
        return _PAGE_ENCODING
    raw = fields.get(reading.FIELD)
    if isinstance(raw, list):
        listed = True
    elif isinstance(raw, Mapping):
        listed = False
    else:
        listed = is_unset(fields.get("pvt_state"))
    stand = tuple(
        name for name in (_E911_FIELDS_LISTED_FIRST if listed else E911_FIELDS) if not is_unset(fields.get(name))
    )
    if not listed:
        return FeatureEncoding(listed, stand or (E911,))
    names = raw if isinstance(raw, list) else []
    called = next(
        (name for name in _E911_FIELDS_LISTED_FIRST if name in names), (stand or _E911_FIELDS_LISTED_FIRST)[0]
    )
    return FeatureEncoding(listed, (called, *(name for name in stand if name != called)))


def requested_fields(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the public fields of a request in the providers' form.

    Raises:
        InvalidFieldsError: a field isn't public, or two names for the emergency address differ.
    """
    for name in given:
        if not is_public(name) and name not in _ADDED_BY_API:
            raise InvalidFieldsError(f"{name[:40]} is no public field: only the number manager sets it")
    fields = {name: value for name, value in given.items() if name not in _NO_FIELDS}
    addresses = [given[name] for name in E911_FIELDS if name in given]
    if any(address != addresses[0] for address in addresses):
        raise InvalidFieldsError("the emergency address is given in two spellings that differ: send e911 alone")
    return {**fields, E911: addresses[0]} if addresses else fields
