"""The schema of both databases: made, brought up to date, refused."""

from __future__ import annotations

import threading

import pytest

from pipeline.errors import FoundProblem
from pipeline.sinks.migrations import TYPES, migrate
from pipeline.sinks.migrations.steps import STEPS, Step
from pipeline.sinks.row import COLUMNS
from pipeline.sinks.views import VIEWS, View
from pipeline.sinks.writer import Writer, connect

PLACE = {"record_topic": "text", "record_partition": "count", "record_offset": "count"}


def _types(writer: Writer, table: str) -> dict[str, str]:
    found = writer.query(
        "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = $1 ORDER BY ordinal_position",
        (table,),
    )
    return {name: kind.upper() for name, kind in found}


def test_tables_hold_the_columns_of_a_row_in_their_order(writer: Writer) -> None:
    """A column that is added to a row without a migration is noticed here, and so is its kind."""
    assert migrate(writer) == [number for number, _ in enumerate(STEPS, 1)]
    types = TYPES[writer.dialect]
    said = {"TIMESTAMPTZ": "TIMESTAMP WITH TIME ZONE", "NUMERIC(38,18)": "NUMERIC"}
    kinds = {column.name: types[column.kind] for column in COLUMNS} | {
        name: types[kind] for name, kind in PLACE.items()
    }
    expected = [(name, said.get(kind, kind)) for name, kind in kinds.items()]
    assert list(_types(writer, "records").items()) == expected
    assert list(_types(writer, "conflicts").items()) == expected


def test_a_database_that_is_up_to_date_is_left_alone(writer: Writer) -> None:
    """A second start does no step, and its views are still the same ones."""
    migrate(writer)
    assert migrate(writer) == []
    for view in VIEWS:
        assert writer.query(f'SELECT * FROM "{view.name}" WHERE false') == []  # noqa: S608 (names of our own)


def test_an_older_database_gets_the_steps_that_it_lacks(writer: Writer) -> None:
    """Rows stay, and views stand on the new table: they are made anew although their text is the same."""
    migrate(writer)
    writer.change(
        "INSERT INTO records (record_id, request_id, revision, digest, record_topic, record_partition, record_offset) "
        "VALUES ('id', 'r', 0, 'd', 't', 0, 0)"
    )
    steps = (*STEPS, Step("a colour", ("ALTER TABLE records ADD COLUMN colour {text}",)))
    assert migrate(writer, steps) == [len(steps)]
    assert migrate(writer, steps) == []
    assert writer.query("SELECT request_id, colour FROM latest_records") == [("r", None)]


def test_a_step_that_fails_leaves_nothing_behind(writer: Writer) -> None:
    """Half a step would be taken for a whole one at the next start."""
    migrate(writer)
    broken = Step("breaks off", ("CREATE TABLE half (a {count})", "CREATE TABLE records (a {count})"))
    with pytest.raises(FoundProblem):
        migrate(writer, (*STEPS, broken))
    assert "half" not in writer.tables()
    assert migrate(writer) == []


def test_views_follow_the_program(writer: Writer) -> None:
    """One that is changed, added or gone; one may stand on another."""
    first = View("one", "It's one.", "SELECT 1 AS a")
    migrate(writer, views=(first, View("two", "Two.", "SELECT a + 1 AS a FROM one")))
    assert writer.query("SELECT a FROM two") == [(2,)]
    migrate(writer, views=(first._replace(duckdb="SELECT 'x' AS b, 5 AS a"), View("three", "3.", "SELECT a FROM one")))
    assert writer.query("SELECT a FROM three") == [(5,)]
    with pytest.raises(FoundProblem):
        writer.query("SELECT a FROM two")


def test_a_newer_database_is_refused(writer: Writer) -> None:
    """By its numbers, before anything is changed."""
    migrate(writer)
    writer.change("INSERT INTO schema_versions VALUES (999, 'of the future')")
    with pytest.raises(FoundProblem, match="version 999, this program knows"):
        migrate(writer)


def test_tables_that_are_not_ours_are_refused(writer: Writer) -> None:
    """A records table of somebody else is not filled."""
    writer.change("CREATE TABLE records (a BIGINT)")
    with pytest.raises(FoundProblem, match="no sink has made"):
        migrate(writer)


def test_two_that_start_at_once_make_one_schema(postgres: str) -> None:
    """The second waits for the first, then finds everything done."""
    done, failed = list[list[int]](), list[BaseException]()

    def start() -> None:
        writer = connect(postgres, threading.Event())
        try:
            done.append(migrate(writer))
        except BaseException as error:  # noqa: BLE001 (shown by the assertion)
            failed.append(error)
        finally:
            writer.close()

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failed
    assert max(done) == list(range(1, len(STEPS) + 1))
    assert [number for each in done for number in each] == list(range(1, len(STEPS) + 1))
