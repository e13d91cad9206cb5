"""The template of a Contact, and what replaces its placeholders."""

import pytest

from router.reference_data.realms import Realms
from router.server.calls.contact import ContactError, ContactTemplate, UnsafeValueError
from router.v1 import inbound_pb2 as pb

ROUTE = pb.LookupResponse(number="+14158867900", account_id="a1", state="in_service")


def _realms(realm: str) -> Realms:
    made = Realms()
    made.put("a1", realm)
    return made


@pytest.mark.parametrize(
    ("template", "realm", "uri"),
    [
        ("sip:{number}@{account_id}.{domain}", "", "sip:+14158867900@a1.did.example"),
        ("sip:{number}@{realm};state={state}", "r.example", "sip:+14158867900@r.example;state=in_service"),
        ("sip:{number}@{realm}", "", "sip:+14158867900@a1.did.example"),
    ],
)
def test_uri_replaces_each_placeholder(template: str, realm: str, uri: str) -> None:
    assert ContactTemplate(template, "did.example", _realms(realm)).uri(ROUTE) == uri


def test_uri_realm_that_is_no_host_is_an_error() -> None:
    template = ContactTemplate("sip:{number}@{realm}", "did.example", _realms("a>b"))

    with pytest.raises(UnsafeValueError):
        template.uri(ROUTE)


def test_template_unknown_placeholder_is_named() -> None:
    with pytest.raises(ContactError, match=r"\{nobody\}.*realm"):
        ContactTemplate("sip:{nobody}@{domain}", "did.example")


def test_changes_count_only_where_the_realm_is_named() -> None:
    realms = _realms("r.example")
    with_realm, without = (ContactTemplate(text, "d", realms) for text in ("sip:a@{realm}", "sip:a@{domain}"))
    before = with_realm.changes
    realms.put("a1", "r.example")
    assert with_realm.changes == before
    realms.put("a1", "s.example")
    assert with_realm.changes > before
    assert without.changes == 0
