"""The bytes of an entry: taken apart and put together again, and read without being parsed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.entries import codec
from router.entries.codec import NO_VERSION, Entry
from router.numbers.routes import Reason, Refused, Route
from router.v1 import inbound_pb2 as pb
from tests.support.entries import NOW, NUMBER, ONE, rev, route

DIGESTS = st.binary(min_size=16, max_size=16).map(bytes.hex)
REVISIONS = st.builds("{}-{}".format, st.integers(1, 2**32 - 1), DIGESTS)
WORDS = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=40)
ACCOUNTS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=32)
TARGETS = st.tuples(st.sampled_from(["e164", "sip"]), WORDS.filter(bool))
ROUTES = st.builds(
    Route,
    number=st.just(NUMBER),
    account_id=ACCOUNTS,
    state=WORDS,
    carrier=WORDS,
    pending_port=st.booleans(),
    local=st.booleans(),
    force_outbound=st.booleans(),
    inbound_cnam=st.booleans(),
    prepend=st.text(max_size=20),
    ringback_media=WORDS,
    transfer_media=WORDS,
    failover=st.none() | TARGETS,
    features=st.lists(WORDS, max_size=4).map(tuple),
    ported_in=st.booleans(),
    used_by=WORDS,
)


@given(REVISIONS)
def test_revision_comes_back_from_its_version(revision: str) -> None:
    assert codec.revision_of(codec.version_of(revision)) == revision


@given(st.tuples(st.integers(1, 2**32 - 1), DIGESTS), st.tuples(st.integers(1, 2**32 - 1), DIGESTS))
def test_versions_order_as_revisions_do(one: tuple[int, str], other: tuple[int, str]) -> None:
    versions = [codec.version_of(f"{generation}-{digest}") for generation, digest in (one, other)]
    assert (versions[0] < versions[1]) == (one < other)


@pytest.mark.parametrize(
    "revision", ["", "-", "a-b", "0-" + "a" * 32, "-1-" + "a" * 32, f"{2**32}-" + "a" * 32, "1-" + "z" * 32]
)
def test_version_of_malformed_revision_raises(revision: str) -> None:
    with pytest.raises(ValueError):
        codec.version_of(revision)


def test_every_revision_is_newer_than_no_document() -> None:
    assert codec.version_of("1-" + "0" * 32) > NO_VERSION
    assert codec.revision_of(NO_VERSION) == ""


@given(
    st.sampled_from([codec.REFUSAL, codec.TOMBSTONE, codec.NEGATIVE]),
    st.binary(min_size=20, max_size=20),
    st.integers(0, 2**32 - 1),
    st.binary(max_size=60),
)
def test_entry_comes_back_from_its_bytes(kind: bytes, version: bytes, written: int, payload: bytes) -> None:
    made = Entry(version, kind, written, payload)
    assert codec.unpack(made.pack()) == made


@given(ROUTES, REVISIONS)
def test_route_comes_back_whole(decision: Route, revision: str) -> None:
    made = codec.decision_entry(decision, revision, NOW)
    value = made.pack()
    assert codec.unpack(value) == made
    assert codec.account_of(value) == made.account_id == decision.account_id
    answer = pb.LookupResponse.FromString(made.payload)
    for name in ("account_id", "state", "carrier", "prepend", "ringback_media", "transfer_media", "used_by"):
        assert getattr(answer, name) == getattr(decision, name)
    for name in ("pending_port", "local", "force_outbound", "inbound_cnam", "ported_in"):
        assert getattr(answer, name) == getattr(decision, name)
    assert tuple(answer.features) == decision.features
    way = answer.failover.WhichOneof("target")
    assert (None if way is None else (way, getattr(answer.failover, way))) == decision.failover


@given(
    st.sampled_from([each for each in Reason if each is not Reason.NOT_RECONCILABLE]),
    ACCOUNTS | st.just(""),
    WORDS,
    st.text(max_size=80),
)
def test_refusal_comes_back_whole(reason: Reason, account: str, state: str, message: str) -> None:
    refused = Refused(reason, NUMBER, account, state, message)
    made = codec.decision_entry(refused, rev(3), NOW)
    assert codec.refusal_of(made.payload, NUMBER) == refused
    assert made.account_id == account


@given(
    st.text("0123456789", min_size=4, max_size=255).map("+".__add__),
    REVISIONS,
    st.sampled_from([pb.NEAR_CACHE, pb.REDIS, pb.NUMBER_DATABASE, pb.PORT_REQUEST]),
    st.booleans(),
)
def test_route_suffix_equals_protobufs_serialisation(
    number: str, revision: str, source: "pb.Source.ValueType", stale: bool
) -> None:
    made = codec.route_suffix(number, codec.version_of(revision), source, stale=stale)
    wanted = pb.LookupResponse(number=number, revision=revision, source=source, stale=stale)
    assert pb.LookupResponse.FromString(made) == wanted
    if len(number) <= 127:
        assert made == wanted.SerializeToString()


def test_appended_fields_merge_with_the_route() -> None:
    made = route(rev(4))
    suffix = codec.route_suffix(NUMBER, made.version, int(pb.REDIS), stale=True)
    answer = pb.LookupResponse.FromString(made.payload + suffix)
    assert (answer.account_id, answer.number, answer.revision, answer.source, answer.stale) == (
        ONE,
        NUMBER,
        rev(4),
        pb.REDIS,
        True,
    )


def test_port_requests_answer_is_whole_and_has_no_revision() -> None:
    made = codec.port_request_response(Route(NUMBER, ONE, "port_in", pending_port=True), stale=False)
    answer = pb.LookupResponse.FromString(made)
    assert (answer.number, answer.account_id, answer.revision, answer.source) == (NUMBER, ONE, "", pb.PORT_REQUEST)


def test_same_answer_ignores_the_time_of_writing() -> None:
    one = route(rev(1))
    assert one.same_answer(Entry(one.version, one.kind, one.written + 5, one.payload))
    assert not one.same_answer(Entry(one.version, one.kind, one.written, one.payload + b"x"))
    assert not one.same_answer(route(rev(2)))
