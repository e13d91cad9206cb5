"""did-router normalise."""

from tests.cli.command import databases_at, run

KEYS = ["input", "number", "rule", "reconcilable", "classification", "database"]


def test_normalise_arguments_print_a_line_each() -> None:
    result = run("normalise", "--json", "4158867900", "tel:+44(0)20-7946-0018", "+14158867900")

    assert (result.code, result.err) == (0, "")
    assert [list(each) for each in result.json] == [KEYS] * 3
    assert result.json[0] == {
        "input": "4158867900",
        "number": "+14158867900",
        "rule": "converter 1",
        "reconcilable": True,
        "classification": "did_us",
        "database": "numbers/+1415",
    }
    assert [each["rule"] for each in result.json] == ["converter 1", "phonenumbers", "e164"]


def test_normalise_invalid_numbers_are_not_reconcilable() -> None:
    result = run("normalise", "--json", "911", "anonymous", "", "4" * 10_000, b"\xff\xfe4158867900")

    assert result.code == 1
    assert [each["reconcilable"] for each in result.json] == [False] * 5
    assert [each["database"] for each in result.json] == [None] * 5
    assert [each["classification"] for each in result.json][:1] == ["emergency"]
    assert result.json[3]["rule"] == "too long"
    assert result.json[3]["number"] == "4" * 10_000


def test_normalise_reads_standard_input() -> None:
    lines = b"4158867900\n\xff\xfe\n\n+442079460018\r\n" + b"4" * 10_000 + b"\n02079460018"
    result = run("normalise", "--json", stdin=lines)

    assert result.code == 1
    assert [each["number"] for each in result.json][:1] == ["+14158867900"]
    assert [each["reconcilable"] for each in result.json] == [True, False, False, False, False, False]
    assert result.json[1]["input"] == "\ufffd\ufffd"
    assert result.json[3]["input"] == "+442079460018\r", "only a newline ends a line"


def test_normalise_empty_input_succeeds() -> None:
    assert run("normalise").code == 0


def test_normalise_prints_number_rule_and_database() -> None:
    result = run("normalise", "4158867900", "a\x1b[31mb")

    assert result.out.splitlines() == [
        "4158867900 → +14158867900  [converter 1]  reconcilable, did_us, numbers/+1415",
        "a?[31mb → a?[31mb  [unchanged]  not reconcilable, unknown, no database",
    ]


def test_normalise_cluster_uses_system_config(couchdb: str) -> None:
    databases = databases_at(couchdb)
    document = {"_id": "number_manager", "default": {"e164_converters": {r"^0(\d{9})$": {"prefix": "+33"}}}}
    revision = databases.database("system_config").put(document)
    try:
        result = run("normalise", "--cluster", "--json", "0123456789", "--couchdb-url", couchdb)
    finally:
        databases.database("system_config").delete("number_manager", revision)

    assert result.json[0]["number"] == "+33123456789"
