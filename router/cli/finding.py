"""Findings of `did-router check`."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was checked.

    Attributes:
        subject: the setting, store or plug-in.
        message: the state, or the fault with its remedy.
        ok: there is no fault.
        reachable: it could be checked at all.
    """

    subject: str
    message: str
    ok: bool = True
    reachable: bool = True
