"""Carrier modules: which of KAZOO's modules looks after a number."""

from functools import lru_cache

from router.numbers.fields import is_unset, is_visible

LOCAL = "knm_local"
MDN = "knm_mdn"
VITELITY = "knm_vitelity"

_LONGEST = 64
_SUCCESSORS = {"knm_bandwidth": "knm_bandwidth2"}


def module_name(raw: object) -> str:
    """The module by its present name: `wnm_X` is `knm_X`, and `knm_bandwidth` is `knm_bandwidth2`.

    Args:
        raw: `pvt_module_name` as the document has it; missing, "undefined" and what can't be a
            name (see `is_module_name`) mean `knm_local`, KAZOO's default.
    """
    return _present_name(raw) if isinstance(raw, str) else LOCAL


@lru_cache(maxsize=256)
def _present_name(raw: str) -> str:
    if is_unset(raw) or not is_module_name(raw):
        return LOCAL
    name = "knm_" + raw.removeprefix("wnm_") if raw.startswith("wnm_") else raw
    return _SUCCESSORS.get(name, name)


def is_module_name(raw: object) -> bool:
    """Whether it can be a module's name; KAZOO need not know that module."""
    return isinstance(raw, str) and 0 < len(raw) <= _LONGEST and is_visible(raw)


def is_local(module: str) -> bool:
    """Whether the lookup calls a number of this module `local`: mobile (mdn) ones are not."""
    return module == LOCAL


def has_local_feature(module: str) -> bool:
    """Whether its numbers carry the feature `local` and obey `force_local_outbound`."""
    return module in (LOCAL, MDN)
