"""The layers that disagree, and the explanation as text."""

from typing import Any

import orjson
import pytest

from router.console.admin_pages import AdminPage
from router.console.views.why import as_text, why
from router.v1 import inbound_pb2 as pb

NUMBER = "+14158867900"
ONE, TWO = "1" * 32, "2" * 32


def layer(**more: Any) -> pb.LayerView:
    fields = {"present": True, "revision": "5-a", "account_id": ONE, "state": "in_service", "detail": "routes"}
    return pb.LayerView(**{**fields, **more})


def explanation(**layers: pb.LayerView) -> pb.ExplainResponse:
    views: dict[str, Any] = {"near_cache": pb.LayerView(), "redis": layer(), "number_database": layer()}
    route = pb.LookupResponse(account_id=ONE, number=NUMBER, source=pb.REDIS, state="in_service")
    return pb.ExplainResponse(
        input="4158867900",
        dial_plan="system",
        rule="converter 1",
        number=NUMBER,
        reconcilable=True,
        database="numbers/+1415",
        answer=pb.LookupOutcome(route=route),
        decision="routes",
        **{**views, **layers},
    )


def near(**workers: dict[str, Any] | None) -> dict[str, AdminPage]:
    return {"one:9050": AdminPage(200, orjson.dumps({"workers": workers}))}


def held(**more: Any) -> dict[str, Any]:
    return {"present": True, "revision": "5-a", "account_id": ONE, "state": "in_service", "detail": "routes", **more}


def test_layers_that_agree_are_not_marked() -> None:
    page = why(explanation(), near(a=held(), b={"present": False, "detail": "nothing kept"}))

    assert page.disagreements == []
    assert [row.where for row in page.layers[:2]] == ["a", "b"]


@pytest.mark.parametrize(
    ("change", "differs"),
    [
        ({"revision": "4-b"}, "another revision"),
        ({"account_id": TWO}, "another account"),
        ({"revision": "4-b", "state": "reserved"}, "another revision, another state"),
    ],
)
def test_redis_that_disagrees_is_marked_with_what_differs(change: dict[str, Any], differs: str) -> None:
    page = why(explanation(redis=layer(**change)), {})

    assert [(row.name, row.differs) for row in page.disagreements] == [("Redis", differs)]
    assert f"DIFFERS: {differs}" in as_text(page)


def test_one_workers_near_cache_that_disagrees_is_marked() -> None:
    page = why(explanation(), near(a=held(), b=held(revision="4-b"), c=None))

    assert [row.where for row in page.disagreements] == ["b"]
    assert page.layers[2].state == "unreadable"


def test_caches_without_a_document_are_marked() -> None:
    page = why(explanation(number_database=pb.LayerView(detail="no document")), {})

    assert [row.differs for row in page.disagreements] == ["there is no document"]


def test_page_with_an_unreadable_document_marks_no_disagreement() -> None:
    page = why(explanation(redis=layer(revision="1-z"), number_database=pb.LayerView(error="refused")), {})

    assert page.disagreements == []


def test_near_caches_refusing_the_token_leave_the_one_that_answered() -> None:
    page = why(explanation(near_cache=layer()), {"one:9050": AdminPage(403, problem="this wants admin")})

    assert page.layers[0].where == "the worker that answered"
    assert "--scope admin" in page.near_note


def test_answer_past_the_caches_that_differs_is_marked() -> None:
    other = pb.LookupOutcome(route=pb.LookupResponse(account_id=TWO, number=NUMBER, source=pb.NUMBER_DATABASE))

    assert why(explanation(), {}, other).authoritative_differs
    assert not why(explanation(), {}, explanation().answer).authoritative_differs
    assert TWO in as_text(why(explanation(), {}, other))
