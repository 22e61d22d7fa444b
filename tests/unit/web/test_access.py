"""Who may see the page, and who may see content."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from pipeline.settings import Settings
from pipeline.web.access import FAILURE_SECONDS, FAILURES, SESSION_SECONDS, SESSIONS, Access, TooManyFailures

TOKEN = "0123456789abcdef"
CONTENT = "fedcba9876543210"


class Clock:
    """Seconds that a test moves."""

    now = 1_000.0

    def __call__(self) -> float:
        """The time."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """Standing still."""
    return Clock()


@pytest.fixture
def access(clock: Clock) -> Access:
    """A door with both tokens."""
    return Access(Settings(web_token=SecretStr(TOKEN), web_content_token=SecretStr(CONTENT)), clock)


def test_without_a_token_everybody_on_the_machine_is_let_in_but_content_is_hidden(clock: Clock) -> None:
    """Content takes a setting of its own."""
    assert Access(Settings(), clock).of_session(None) is not None
    assert [
        grant.content
        for shown in (False, True)
        if (grant := Access(Settings(web_content=shown), clock).of_session(None)) is not None
    ] == [False, True]


@pytest.mark.parametrize(("token", "content"), [(TOKEN, False), (CONTENT, True)])
def test_each_token_opens_what_it_is_for(access: Access, token: str, content: bool) -> None:
    """The page with one, content with the other; to a browser by a session, to a program at once."""
    session = access.log_in(token, "a")
    grants = [access.of_session(session), access.of_token(token, "a")]

    assert [grant is not None and grant.content for grant in grants] == [content, content]


@pytest.mark.parametrize("token", ["", "x", TOKEN[:-1], TOKEN + "0", "ü" * 16, "\udcff"])
def test_nothing_else_opens_it(access: Access, token: str) -> None:
    """Nor does a session that nobody has."""
    assert access.log_in(token, "a") is None
    assert access.of_token(token, "b") is None
    assert access.of_session(token) is None
    assert access.of_session(None) is None


def test_guessing_is_slowed_down_for_the_one_who_guesses(access: Access, clock: Clock) -> None:
    """After some failures even the right token waits; others are not made to wait, and time heals it."""
    for _ in range(FAILURES):
        assert access.of_token("wrong", "a") is None
    with pytest.raises(TooManyFailures) as caught:
        access.log_in(TOKEN, "a")

    assert 0 < caught.value.seconds <= FAILURE_SECONDS + 1
    assert access.log_in(TOKEN, "b") is not None
    clock.now += FAILURE_SECONDS + 1
    assert access.log_in(TOKEN, "a") is not None


def test_the_right_token_forgives_earlier_mistakes(access: Access) -> None:
    """A slip of the hand does not add up over a day."""
    for _ in range(3 * FAILURES):
        access.of_token("wrong", "a")
        assert access.of_token(TOKEN, "a") is not None


def test_sessions_end(access: Access, clock: Clock) -> None:
    """By logging out, and by themselves after a working day."""
    one, other = access.log_in(TOKEN, "a"), access.log_in(TOKEN, "a")
    access.log_out(one)

    assert access.of_session(one) is None
    assert access.of_session(other) is not None
    clock.now += SESSION_SECONDS
    assert access.of_session(other) is None


def test_memory_is_bounded(access: Access) -> None:
    """The oldest session goes when there are too many."""
    first = access.log_in(TOKEN, "a")
    last = [access.log_in(TOKEN, "a") for _ in range(SESSIONS)][-1]

    assert access.of_session(first) is None
    assert access.of_session(last) is not None
