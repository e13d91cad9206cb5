"""Token files, and the headers that callers show: nobody gets in by an accident, and nothing of the file is told."""

import re
from hashlib import sha256

from router.server.auth import tokens
from router.server.auth.tokens import SCOPES, TokenSet
from tests.fuzz.scratch import file
from tests.fuzz.source import parts
from tests.fuzz.target import Target

_TOKEN = "didr_" + "x" * 43
_DIGEST = sha256(_TOKEN.encode()).hexdigest()
_LINE = tokens.line_for("switch-1", _TOKEN, ("lookup",))
_WORD = re.compile(r"[0-9a-zA-Z_-]{12,}")


def check(data: bytes) -> None:
    """A token file, or with a first part that says so one with a good line in front; and a header."""
    mark, content, header = parts(data, 3)
    _file((_LINE.encode() + b"\n" if mark else b"") + content, header)


def _file(content: bytes, header: bytes) -> None:
    path = file("tokens", content)
    try:
        found = tokens.read(path)
    except ValueError as problem:
        result = str(problem).replace(str(path), "")
        assert "\n" not in result
        written = {word.encode() for word in _WORD.findall(result)}
        assert not any(word in content for word in written), "it shows nothing of the file"
        return
    assert found
    known = TokenSet(found)
    for token in found:
        assert token.scopes
        assert token.scopes <= set(SCOPES)
        assert token.digest.hex() in content.decode().lower()
        assert token.digest != sha256(b"").digest()
        assert token.account is None or "manage" in token.scopes
        assert token.account is None or "system" not in token.scopes
    good = next((token for token in found if token.digest.hex() == _DIGEST), None)
    assert known.find(f"Bearer {_TOKEN}") == good
    assert known.find(f"bearer {_TOKEN}".encode()) == good
    for shown in (header, header.decode("latin-1"), header.decode("utf-8", "replace"), f"Bearer {content!r}", None):
        let_in = known.find(shown)
        assert let_in is None or _is_shown(shown, let_in.digest), "whoever gets in showed the token"


def _is_shown(shown: str | bytes | None, digest: bytes) -> bool:
    octets = (shown or "").encode("latin-1", "replace") if isinstance(shown, str) or shown is None else shown
    return sha256(octets.partition(b" ")[2].strip(b" ")).digest() == digest


TARGET = Target(
    "token_file",
    check,
    dictionary=(
        _LINE + "\n",
        _DIGEST,
        _DIGEST.upper(),
        sha256(b"").hexdigest(),
        "lookup,manage,admin",
        ",system",
        " account=0123456789abcdef0123456789abcdef",
        " lookup",
        "# ",
        "switch-1 ",
        b"\0",
        "\n",
        "\r\n",
        "\x0c",
        "\u2028",
        "\u0660",
        f"Bearer {_TOKEN}",
        "Bearer ",
        "bearer  ",
        b"\xef\xbb\xbf",
    ),
    longest=1024,
)
