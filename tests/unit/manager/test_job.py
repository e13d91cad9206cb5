"""A job that is decided again keeps a write that may be stored, and no other."""

from unittest.mock import Mock

import pytest

from router.manager.job import Pending, Sent


@pytest.mark.parametrize("unconfirmed", [False, True])
@pytest.mark.parametrize("guessed", [False, True])
@pytest.mark.parametrize("withdrawn", [False, True])
def test_retry_keeps_a_write_that_may_be_stored(unconfirmed: bool, guessed: bool, withdrawn: bool) -> None:
    sent = Sent(Mock(base="1-a", pending=Pending(Mock())), {}, None)

    again = sent.retry(unconfirmed=unconfirmed, guessed=guessed, withdrawn=withdrawn)

    assert (again.sent is sent) == (not withdrawn and (unconfirmed or not guessed))
    assert (again.unconfirmed, again.withdrawn) == (unconfirmed, withdrawn)
    assert again.base == (None if guessed else "1-a")
