"""docs/number-lifecycle.md says what the table of transitions says."""

import re
from pathlib import Path

from router.lifecycle import errors
from router.lifecycle.errors import NumberError
from router.lifecycle.transitions import CREATED_ON, RELEASED_BY_ALL, TRANSITIONS, Rule, rule
from router.numbers.states import LEGACY, State

PAGE = (Path(__file__).parents[3] / "docs" / "number-lifecycle.md").read_text("utf-8")
TITLES = {
    State.IN_SERVICE: "Move → `in_service`",
    State.RESERVED: "Reserve → `reserved`",
    State.AVAILABLE: "→ `available`",
    State.AGING: "→ `aging`",
    State.PORT_IN: "→ `port_in`",
}


def cell(way: Rule | None) -> str:
    if way is None:
        return "-"
    return ", ".join([way.who, *(["acquire"] if way.acquires else []), *(["push"] if way.pushes else [])])


def row(origin: State) -> list[str]:
    release = "every carrier" if origin in RELEASED_BY_ALL else "local carriers"
    create = "as from here" if origin in CREATED_ON else "-"
    return [f"`{origin}`", *(cell(rule(origin, target)) for target in TITLES), release, create, "administrators"]


def table() -> str:
    titles = ["from", *TITLES.values(), "Release", "Create", "Delete"]
    rows = [titles, ["---"] * len(titles), *(row(state) for state in State if state not in LEGACY)]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in rows)


def test_page_shows_the_table() -> None:
    assert TITLES.keys() == TRANSITIONS.keys()
    assert table() in PAGE, f"put this into docs/number-lifecycle.md:\n{table()}"


def test_page_shows_the_errors() -> None:
    made: list[NumberError] = [
        errors.forbidden(),
        errors.number_exists("n"),
        errors.not_found("n"),
        errors.not_reconcilable("n"),
        errors.number_is_porting("n"),
        errors.no_change_required(),
        errors.invalid_state_transition(),
        errors.assign_failure(),
        errors.invalid("x"),
        errors.carrier_fault("m", "w"),
        errors.unavailable("w"),
    ]
    shown = re.findall(r"^\| `(\w+)` \| (\d{3}) \|", PAGE, re.MULTILINE)
    assert shown == [(error.error, str(error.code)) for error in made]


def test_cause_that_is_the_message_is_written_once() -> None:
    assert str(errors.invalid("state is 'x', which is none")) == "invalid: state is 'x', which is none"
    assert str(errors.not_found("+1")) == "not_found (+1): there is no number +1: create it first"
