"""KAZOO's carrier modules by name."""

from functools import lru_cache

from router.numbers.fields import is_unset, is_visible

LOCAL = "knm_local"
MDN = "knm_mdn"
VITELITY = "knm_vitelity"

_MAX_LENGTH = 64
_SUCCESSORS = {"knm_bandwidth": "knm_bandwidth2"}


def module_name(raw: object) -> str:
    """Return a module's present name: `wnm_X` is `knm_X`, and `knm_bandwidth` is `knm_bandwidth2`.

    Args:
        raw: `pvt_module_name` of the document. A missing value, "undefined" and anything that can't be a name (see
            `is_module_name`) mean `knm_local`, KAZOO's default.
    """
    return _present_name(raw) if isinstance(raw, str) else LOCAL


@lru_cache(maxsize=256)
def _present_name(raw: str) -> str:
    if is_unset(raw) or not is_module_name(raw):
        return LOCAL
    name = "knm_" + raw.removeprefix("wnm_") if raw.startswith("wnm_") else raw
    return _SUCCESSORS.get(name, name)


def is_module_name(raw: object) -> bool:
    """Return whether a value can be a module's name; KAZOO need not know that module."""
    return isinstance(raw, str) and 0 < len(raw) <= _MAX_LENGTH and is_visible(raw)


def is_local(module: str) -> bool:
    """Return whether lookups report `local` for a module's numbers; for mobile (mdn) ones they don't."""
    return module == LOCAL


def has_local_feature(module: str) -> bool:
    """Return whether a module's numbers have the feature `local` and obey `force_local_outbound`."""
    return module in (LOCAL, MDN)
