"""Files with a number a line."""

import io

from router.bulk import number_rows
from router.lifecycle.operations import Operation, OperationRequest

RELEASE = OperationRequest(Operation.RELEASE, "", "system")


def test_read_skips_comments_and_blank_lines() -> None:
    found = list(number_rows.read(io.BytesIO(b"+1415\n# a note\n\n +1416 \n"), RELEASE))

    assert [(row.line, row.number, row.request and row.request.number) for row in found] == [
        (1, "+1415", "+1415"),
        (4, "+1416", "+1416"),
    ]


def test_read_oversized_line_is_refused() -> None:
    bad, good = number_rows.read(io.BytesIO(b" " * (1 << 20) + b"+1415\n+1416\n"), RELEASE)

    assert (bad.line, bad.request) == (1, None)
    assert bad.error is not None
    assert "longer than a mebibyte" in bad.error.message
    assert (good.line, good.number) == (2, "+1416")
