"""When a worker is ready, and what it says when it is not."""

from __future__ import annotations

import pytest

from pipeline.engine.readiness import Part, State, against

WELL = Part(0, restored=True)
REBALANCE = "not in the group: it gives partitions out, or can't be reached"


def member(*parts: Part, joined: bool = True, settled: bool = True) -> State:
    """A worker that has seen Kafka."""
    return State(reached=True, joined=joined, settled=settled, parts=parts)


@pytest.mark.parametrize(
    ("state", "reasons"),
    [
        pytest.param(member(WELL, Part(1, restored=True, age=9.9)), [], id="well"),
        pytest.param(member(), [], id="without partitions"),
        pytest.param(State(reached=False), ["waiting for Kafka"], id="no Kafka"),
        pytest.param(State(reached=True, stopping=True), ["stopping"], id="stopping"),
        pytest.param(member(WELL, joined=False), [REBALANCE], id="not in the group"),
        pytest.param(
            State(reached=True, joined=True, settled=True, silence=7.4), ["Kafka does not answer for 7 s"], id="silence"
        ),
        pytest.param(member(settled=False), ["partitions are taken over"], id="taking over"),
        pytest.param(
            member(WELL, Part(3, restored=False, share=0.409), settled=False),
            ["partition 3 restores, 40 %"],
            id="restore",
        ),
        pytest.param(
            member(WELL, Part(2, restored=True, stalls=1)),
            ["partition 2 stands still: chunks wait and none arrives"],
            id="stall",
        ),
        pytest.param(
            member(Part(2, restored=True, age=11.6)),
            ["partition 2 commits nothing: something waits for 12 s"],
            id="no commit",
        ),
        pytest.param(
            member(Part(2, restored=False, lost=True)), ["partition 2 was taken over by another worker"], id="fenced"
        ),
    ],
)
def test_ready_means_known_to_the_group_restored_and_moving(state: State, reasons: list[str]) -> None:
    """Each state has its own reason in words, and none that is not true."""
    assert against(state) == reasons
