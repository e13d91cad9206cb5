"""The checker itself: it must notice every lie that it is there for."""

import pytest

from tests.faults.ledger import NOBODY, Answer, Claim, Ledger

NUMBER, OTHER = "+14158867900", "+14420000001"
ONE, TWO, THREE = "1" * 32, "2" * 32, "3" * 32


def _ledger(*claims: Claim) -> Ledger:
    made = Ledger()
    for each in claims:
        made._claims[each.number].append(each)
    return made


def _answer(
    result: str, began: float, ended: float | None = None, *, flagged: bool = False, authoritative: bool = False
) -> Answer:
    return Answer(NUMBER, began, began + 0.01 if ended is None else ended, result, flagged, authoritative)


FIRST = Claim(NUMBER, ONE, 1.0, 2.0)
BY_HAND = Claim(NUMBER, TWO, 10.0, 11.0, quiet=3.0)
BY_MANAGER = Claim(NUMBER, TWO, 10.0, 11.0, quiet=0.0)
OPEN = Claim(NUMBER, TWO, 10.0)
LAST = Claim(NUMBER, THREE, 20.0, 21.0, quiet=3.0)


def test_account_that_never_had_the_number_is_wrong() -> None:
    ledger = _ledger(FIRST, Claim(OTHER, TWO, 1.0, 2.0))
    assert ledger.judge(_answer(TWO, 5.0)).wrong
    assert ledger.judge(_answer(NOBODY, 5.0)).wrong
    assert not ledger.judge(_answer(ONE, 5.0)).wrong


def test_account_that_is_to_have_the_number_later_is_wrong() -> None:
    assert _ledger(FIRST, BY_HAND).judge(_answer(TWO, 5.0)).wrong


@pytest.mark.parametrize("result", [ONE, TWO])
def test_either_account_is_right_while_the_change_is_on_its_way(result: str) -> None:
    verdict = _ledger(FIRST, BY_MANAGER).judge(_answer(result, 10.5, 11.5))
    assert (verdict.wrong, verdict.age) == ("", 0.0)


def test_former_account_is_allowed_for_as_long_as_is_promised() -> None:
    ledger = _ledger(FIRST, BY_HAND)
    verdict = ledger.judge(_answer(ONE, 13.0))
    assert (verdict.wrong, verdict.age) == ("", 2.0)
    assert ledger.judge(_answer(ONE, 14.5)).wrong


def test_change_that_the_manager_acknowledged_is_seen_by_the_next_call() -> None:
    assert _ledger(FIRST, BY_MANAGER).judge(_answer(ONE, 11.001)).wrong


def test_judge_stale_answer_may_be_old() -> None:
    verdict = _ledger(FIRST, BY_MANAGER).judge(_answer(ONE, 60.0, flagged=True))
    assert (verdict.wrong, verdict.age) == ("", 49.0)


def test_judge_authoritative_answer_may_not_be_old() -> None:
    ledger = _ledger(FIRST, BY_HAND)
    assert ledger.judge(_answer(ONE, 11.1, authoritative=True)).wrong
    assert ledger.judge(_answer(ONE, 11.1, authoritative=True, flagged=True)).wrong


def test_judge_unconfirmed_write_is_right_until_the_next_change() -> None:
    ledger = _ledger(FIRST, OPEN, LAST)
    assert {ledger.judge(_answer(result, 15.0)).wrong for result in (ONE, TWO)} == {""}
    assert ledger.judge(_answer(TWO, 25.0)).wrong


def test_older_promise_does_not_excuse_a_broken_newer_one() -> None:
    prompt = Claim(NUMBER, THREE, 12.0, 12.5, quiet=0.0)
    assert _ledger(FIRST, BY_HAND, prompt).judge(_answer(ONE, 13.0)).wrong


def test_number_without_a_document_is_nobodys() -> None:
    assert not _ledger().judge(_answer(NOBODY, 5.0)).wrong
    deleted = Claim(NUMBER, NOBODY, 10.0, 11.0, quiet=1.0)
    ledger = _ledger(FIRST, deleted)
    assert ledger.judge(_answer(NOBODY, 5.0)).wrong
    assert not ledger.judge(_answer(NOBODY, 15.0)).wrong
    assert ledger.current(NUMBER) == {NOBODY}


def test_current_unconfirmed_write_allows_both_accounts() -> None:
    assert _ledger(FIRST, OPEN).current(NUMBER) == {ONE, TWO}
    assert _ledger(FIRST, OPEN, LAST).current(NUMBER) == {THREE}


CONTESTED = Claim(NUMBER, TWO, 10.0, contested=True)


def test_contested_change_may_come_up_until_every_copy_was_read() -> None:
    ledger = _ledger(FIRST, CONTESTED, LAST)
    assert not ledger.judge(_answer(TWO, 60.0)).wrong
    assert ledger.judge(_answer(TWO, 60.0, authoritative=True)).wrong == ""
    assert ledger.current(NUMBER) == {TWO, THREE}
    assert ledger.contested() == [NUMBER]


def test_contested_change_excuses_nobody_else() -> None:
    assert _ledger(FIRST, CONTESTED, LAST).judge(_answer(ONE, 60.0)).wrong


def test_claim_of_every_copy_ends_a_contested_change() -> None:
    settled = Claim(NUMBER, THREE, 30.0, 30.5, quiet=3.0, settles=True)
    ledger = _ledger(FIRST, CONTESTED, LAST, settled)
    assert not ledger.judge(_answer(TWO, 32.0)).wrong
    assert ledger.judge(_answer(TWO, 40.0)).wrong
    assert not ledger.judge(_answer(THREE, 40.0)).wrong
    assert ledger.current(NUMBER) == {THREE}
    assert not ledger.contested()


def test_acknowledged_change_is_contested_no_more() -> None:
    ledger = Ledger()
    claim = ledger.claim(NUMBER, ONE, contested=True)
    assert ledger.contested() == [NUMBER]
    ledger.acknowledge(claim, 0.0)
    assert not ledger.contested()


def test_changes_count_from_the_end_of_a_division() -> None:
    before, within, by_manager = (
        Claim(NUMBER, TWO, 10.0, 11.0, quiet=3.0),
        Claim(NUMBER, THREE, 12.5, 13.0),
        Claim(OTHER, TWO, 10.0, 11.0),
    )
    ledger = _ledger(FIRST, before, within, Claim(OTHER, ONE, 1.0, 2.0), by_manager)
    ledger.divide(12.0, 15.0, before=5.0)
    assert (before.quiet, within.quiet, by_manager.quiet) == (7.0, 2.0, 0.0)
    assert not ledger.judge(_answer(TWO, 14.9)).wrong
    assert ledger.judge(_answer(TWO, 15.1)).wrong


def test_authoritative_answer_in_a_division_is_one_sides() -> None:
    ledger = _ledger(FIRST, Claim(NUMBER, TWO, 10.0, 11.0))
    ledger.divide(12.0, 15.0, before=5.0)
    assert not ledger.judge(_answer(ONE, 14.0, authoritative=True)).wrong
    assert ledger.judge(_answer(ONE, 16.0, authoritative=True)).wrong
