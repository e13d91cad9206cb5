"""The URI that names a number's account: the Contact of a SIP redirection, the record of ENUM."""

import re
from dataclasses import dataclass, field
from string import Formatter

from router.reference_data.realms import Realms
from router.v1 import inbound_pb2 as pb

PLACEHOLDERS = ("number", "account_id", "state", "realm", "domain")
_SAFE = re.compile(r"[A-Za-z0-9.\-_]*")
"""Values of documents that are safe in a host name; CouchDB's ids can hold anything."""
_SCHEMES = ("sip:", "sips:", "tel:")
_FORBIDDEN = re.compile(r"[\s<>\"!\\]")
"""Characters that end a Contact's URI, or an ENUM record's regular expression."""


class ContactError(ValueError):
    """A template that makes no URI."""


class UnsafeValueError(Exception):
    """An account id, a state or a realm that can't stand in a URI."""


@dataclass(frozen=True, slots=True)
class ContactTemplate:
    """Makes URIs.

    Attributes:
        template: with `PLACEHOLDERS` in braces.
        domain: stands for `{domain}`.
        realms: of accounts; one that has none, or whose realm is not known, has `{account_id}.{domain}` in its place.

    Raises:
        ContactError: the template has another placeholder, or makes no SIP URI.
    """

    template: str
    domain: str
    realms: Realms = field(default_factory=Realms)

    def __post_init__(self) -> None:
        try:
            names = {name for _, name, _, _ in Formatter().parse(self.template) if name is not None}
        except ValueError as problem:
            raise ContactError(f"{problem}: write placeholders as {{number}}") from None
        if unknown := sorted(names - set(PLACEHOLDERS)):
            raise ContactError(f"there is no placeholder {{{unknown[0]}}}: one of {', '.join(PLACEHOLDERS)}")
        if not self.template.startswith(_SCHEMES) or _FORBIDDEN.search(self.template):
            raise ContactError("write it as a SIP URI, such as sip:{number}@{account_id}.{domain};user=phone")

    @property
    def changes(self) -> int:
        """A count that differs where the same route may have another URI than before."""
        return self.realms.changes if "{realm" in self.template else 0

    def uri(self, route: pb.LookupResponse) -> str:
        """Return the URI of a route.

        Raises:
            UnsafeValueError: the account's id or the state has characters that no host name has.
        """
        account = route.account_id
        realm = self.realms.get(account) or f"{account}.{self.domain}"
        if not all(map(_SAFE.fullmatch, (account, route.state, realm))):
            raise UnsafeValueError("the account's id can't stand in a URI")
        return self.template.format(
            number=route.number, account_id=account, state=route.state, realm=realm, domain=self.domain
        )

    def refusal_uri(self, code: int, reason: str) -> str:
        """Return a URI that names a refusal, for scripts that see nothing but URIs."""
        return f"sip:{code}@{reason.lower().replace('_', '-')}.refused.{self.domain}"
