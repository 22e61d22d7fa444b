"""What a worker's log tells those that have started it."""

from pipeline.ops.events import events

LOG = """\
Warning: {"event": "stopped"} stands inside of this line
{"event": "assigned", "ready": false}
{"event": "restored", "of": "assigned"}
["assigned"]
{"event": "assigned", "ready": true}
{"event": "assigned", "rea"""


def test_events_of_one_name_are_found_in_order() -> None:
    """Other events, other programs' lines, and the line that is being written are passed over."""
    assert [event["ready"] for event in events(LOG, "assigned")] == [False, True]
    assert events(LOG, "stopped") == []
