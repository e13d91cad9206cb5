"""The ways of asking, by the name that `--via` takes."""

from collections.abc import Callable
from dataclasses import dataclass

from router.cli.via.enum import ask_enum
from router.cli.via.http import ask_http
from router.cli.via.sip import ask_sip
from router.cli.via.view import Question, SwitchView


@dataclass(frozen=True, slots=True)
class Way:
    """A way of asking.

    Attributes:
        target: where a service answers it, as its settings' examples have it.
        setting: has the address there.
    """

    ask: Callable[[Question], SwitchView]
    target: str
    setting: str


WAYS = {
    "http": Way(ask_http, "127.0.0.1:8080", "http_listen"),
    "sip": Way(ask_sip, "127.0.0.1:5070", "sip_listen"),
    "enum": Way(ask_enum, "127.0.0.1:5300", "enum_listen"),
}
