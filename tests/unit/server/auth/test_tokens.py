"""Token files: what a line may be, and that a mistake is told without showing what stands there."""

from hashlib import sha256
from pathlib import Path

import pytest

from router.server.auth.tokens import SCOPES, TokenFile, line_for, new_token, read
from router.settings import SettingsError

DIGEST = sha256(b"a token").hexdigest()
ACCOUNT = "0123456789abcdef" * 2


def test_new_token_is_found_by_its_header(tmp_path: Path) -> None:
    token = new_token()
    path = tmp_path / "tokens"
    path.write_text(f"# switches\n\n  {line_for('switch-1', token, ('lookup', 'admin', 'lookup'))}  # the old one\n")
    found = TokenFile(path).current().find(f"Bearer {token}".encode())
    assert found is not None
    assert (found.name, sorted(found.scopes)) == ("switch-1", ["admin", "lookup"])
    assert token not in path.read_text()


def test_tokens_are_long_and_differ() -> None:
    made = {new_token() for _ in range(100)}
    assert len(made) == 100
    assert min(map(len, made)) >= 48


def test_digests_case_is_no_matter(tmp_path: Path) -> None:
    path = tmp_path / "tokens"
    path.write_text(f"a {DIGEST.upper()} lookup")
    assert read(path)[0].digest.hex() == DIGEST


@pytest.mark.parametrize(
    ("text", "reported"),
    [
        ("", "names no token"),
        ("# nobody\n", "names no token"),
        ("switch s3cret-token lookup", "line 1: write it as NAME SHA256 SCOPE"),
        (f"\nswitch {DIGEST}", "line 2: write it as NAME SHA256 SCOPE"),
        (f"switch {DIGEST} lookup manage", "line 1: write it as"),
        (f"switch {DIGEST} s3cret", "line 1: the scopes are lookup, manage, admin"),
        (f"switch {DIGEST} lookup,", "line 1: the scopes are"),
        (f"-x {DIGEST} lookup", "line 1: write it as"),
        (f"a {DIGEST} lookup\nb {DIGEST} manage", "same hash in two lines"),
        (f"a {sha256(b'').hexdigest()} lookup", "the hash of nothing"),
        (f"a {DIGEST} manage account=", "32 characters"),
        (f"a {DIGEST} manage account=s3cret", "32 characters"),
        (f"a {DIGEST} manage {ACCOUNT}", "[account=ID]"),
        (f"a {DIGEST} manage account={ACCOUNT} account={ACCOUNT}", "[account=ID]"),
        (f"a {DIGEST} lookup account={ACCOUNT}", "line 1: an account bounds what a token manages: add"),
        (f"a {DIGEST} manage,system account={ACCOUNT}", "can't have the scope system"),
        ("\udcff", "not UTF-8"),
    ],
)
def test_token_file_malformed_line_is_reported_without_it(tmp_path: Path, text: str, reported: str) -> None:
    path = tmp_path / "tokens"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(SettingsError) as problem:
        TokenFile(path)
    assert reported in str(problem.value)
    assert "'token_file'" in str(problem.value)
    assert "s3cret" not in str(problem.value)


def test_line_binds_its_token_to_an_account(tmp_path: Path) -> None:
    path = tmp_path / "tokens"
    bound = line_for("billing", "x", ("manage", "lookup"), ACCOUNT)
    path.write_text(f"{bound} # of a reseller\n{line_for('boss', 'y', ('manage', 'system'))}\n")
    assert bound.endswith(f" manage,lookup account={ACCOUNT}")
    assert [(each.name, each.account) for each in read(path)] == [("billing", ACCOUNT), ("boss", None)]


@pytest.mark.parametrize(
    ("account", "scopes", "message"),
    [
        ("", ("manage",), "32 characters"),
        ("system", ("manage",), "32 characters"),
        ("a" * 33, ("manage",), "32 characters"),
        ("#" + "a" * 31, ("manage",), "32 characters"),
        (" " + "a" * 31, ("manage",), "32 characters"),
        (ACCOUNT, ("lookup", "admin"), "add the scope manage"),
        (ACCOUNT, ("manage", "system"), "can't have the scope system"),
    ],
)
def test_bindings_that_no_line_can_hold(account: str, scopes: tuple[str, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        line_for("a", "x", scopes, account)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="No such file"):
        TokenFile(tmp_path / "none")


@pytest.mark.parametrize("name", ["", "a b", "#a", "x" * 65, "ä", "a\n"])
def test_names_that_no_line_can_hold(name: str) -> None:
    with pytest.raises(ValueError, match="a token's name is"):
        line_for(name, "x", ("lookup",))


def test_verified_headers_are_bounded(tmp_path: Path) -> None:
    path = tmp_path / "tokens"
    path.write_text(line_for("a", "x", SCOPES))
    known = TokenFile(path).current()
    for count in range(10_000):
        known.add_verified("lookup", f"Bearer {' ' * count}x", "a")
    assert len(known.verified_headers["lookup"]) <= 4096
