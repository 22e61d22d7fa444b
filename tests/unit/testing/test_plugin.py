"""The plugin in other people's test suites: idle, without conflicts, and plain about what is wrong."""

from __future__ import annotations

import pytest

pytest_plugins = ["pytester"]

ALONE = ("-p", "no:cacheprovider", "-p", "streamledger")


def test_a_foreign_suite_does_not_notice_it(pytester: pytest.Pytester) -> None:
    """No automatic fixture, no option, nothing imported, no warning; what is wrong is said to who uses it."""
    pytester.makeini(
        "[pytest]\naddopts = --strict-markers --strict-config -W error\n"
        "streamledger_settings = nothing\nstreamledger_bootstrap_servers = localhost:1"
    )
    pytester.makepyfile(
        """
        import sys
        import pytest

        @pytest.fixture(scope="session")
        def kafka():
            return "theirs"

        def test_theirs(kafka, request):
            assert request.fixturenames == ["kafka", "request"]
            assert request.config.pluginmanager.has_plugin("streamledger")
            assert [name for name in vars(request.config.option) if "streamledger" in name] == []
            assert "pipeline.testing.ledger" not in sys.modules
            assert {"a": 1} == {"a": 1}

        @pytest.mark.xfail(strict=True)
        def test_differences_are_still_pytests():
            assert {"a": 1} == {"a": 2}

        def test_ours(streamledger_ledger):
            pass
        """
    )

    outcome = pytester.runpytest_subprocess("-p", "no:randomly")

    outcome.assert_outcomes(passed=1, xfailed=1, errors=1)
    assert "streamledger_settings: 'nothing' has no value; write name = value" in outcome.stdout.str()


MISTAKES = """
import pytest
from pipeline.testing import RecordMatcher, chat, fold

record = fold(chat("r-9").text("Help").finish()).record

def test_right():
    assert record == RecordMatcher(text="Hello")

def test_left():
    assert RecordMatcher(text="Hello") == record

def test_other_comparisons():
    assert record != RecordMatcher(text="Help")

def test_other_types():
    assert RecordMatcher(text="Help") == 1

@pytest.mark.streamledger("2s")
def test_no_name(streamledger_ledger):
    pass

@pytest.mark.streamledger(session_windw="2s")
def test_no_setting(streamledger_ledger):
    pass

@pytest.mark.streamledger(session_window="2")
def test_no_unit(streamledger_ledger):
    pass

def test_no_kafka(streamledger_ledger):
    pass
"""


def test_a_matcher_explains_itself_and_mistakes_are_said(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Matchers on either side of ==; mistakes in plain words, before anything is waited for."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    for name in ("CI", "BUILD_NUMBER"):  # with one of them pytest says every failure a second time, in its summary
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("STREAMLEDGER_BOOTSTRAP_SERVERS", raising=False)
    pytester.makeini("[pytest]\nstreamledger_settings = partitions = 1\nstreamledger_bootstrap_servers = localhost:1")
    pytester.makepyfile(MISTAKES)

    outcome = pytester.runpytest_subprocess(*ALONE)

    outcome.assert_outcomes(failed=4, errors=4)
    told = outcome.stdout.str()
    assert told.count("record of r-9 (chat.completion, revision 0) differs") == 2
    assert told.count('expected  "Hello"') == 2
    assert "@pytest.mark.streamledger takes settings by name" in told
    assert "unknown setting 'session_windw'" in told
    assert "(did you mean session_window?)" in told
    assert "has no unit; write for example" in told
    assert "no Kafka answers at localhost:1" in told
    assert "pipeline/topics/admin.py" not in told
