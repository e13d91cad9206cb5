"""Logins end by idleness, by age and by hand."""

from router.console.sessions import SessionStore


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def store(clock: Clock) -> SessionStore:
    return SessionStore(idle_timeout=30.0, session_ttl=100.0, clock=clock)


def test_session_idle_too_long_ends() -> None:
    clock = Clock()
    sessions = store(clock)
    session = sessions.open("didr_x")
    clock.now = 29
    assert sessions.find(session.id, is_active=True) is session
    clock.now = 58
    assert sessions.find(session.id, is_active=True) is session

    clock.now = 89

    assert sessions.find(session.id, is_active=True) is None
    assert sessions.tokens() == []


def test_session_that_only_refreshes_itself_ends() -> None:
    clock = Clock()
    sessions = store(clock)
    session = sessions.open("didr_x")
    for clock.now in range(0, 30, 2):
        assert sessions.find(session.id, is_active=False) is session

    clock.now = 31

    assert sessions.find(session.id, is_active=False) is None


def test_session_older_than_its_ttl_ends_whatever_happens() -> None:
    clock = Clock()
    sessions = store(clock)
    session = sessions.open("didr_x")
    for clock.now in range(0, 101, 20):
        assert sessions.find(session.id, is_active=True) is session

    clock.now = 101

    assert sessions.find(session.id, is_active=True) is None


def test_session_shows_no_token_in_any_log() -> None:
    session = store(Clock()).open("didr_secret")

    assert "didr_secret" not in f"{session} {session!r}"


def test_sessions_beyond_the_limit_end_the_idlest() -> None:
    clock = Clock()
    sessions = store(clock)
    first = sessions.open("first")
    clock.now = 1
    others = [sessions.open(str(index)) for index in range(1000)]

    assert sessions.find(first.id, is_active=True) is None
    assert sessions.find(others[-1].id, is_active=True) is others[-1]
