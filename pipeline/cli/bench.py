"""`streamledger bench`: the worker and its peers on the same topics, in the same run.

Owns the options; the benchmark is `pipeline.ops.bench`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import rich_click as click

from pipeline.cli.options import LOGGING, examples, json_option, start_logging, with_settings
from pipeline.cli.shell import COMMANDS
from pipeline.errors import UsageError
from pipeline.settings import Loaded

LOADS: Final = ("200", "10k", "100k", "small")
SCENARIOS: Final = (
    *("throughput", "latency", "bytes", "memory", "restore", "expiry", "partitions", "scaling", "replay", "sinks"),
    "all",
)
PEERS: Final = ("streamledger", "kafka-streams", "quixstreams", "consume", "plain-faust")


@click.command(
    help=f"{COMMANDS['bench']} It brings its own Kafka. Exit 1 if a participant comes to no end or, with the full "
    "loads, a figure misses its target. Without --scenario it measures throughput beside the peers; the others measure "
    "the worker alone, a replay beside the worker, the sinks beside a plain loop of confluent-kafka and COPY; --only, "
    "--peer, --chunks, --rounds and --quix-python are not theirs.",
    epilog=examples(
        "streamledger bench",
        "streamledger bench --quick --only 10k",
        "streamledger bench --peer streamledger --peer kafka-streams --rounds 2 --json",
        "streamledger bench --scenario latency --rate 10000",
        "streamledger bench --scenario all --quick --json",
        "streamledger bench --checkpoint-interval 200ms --quix-python ~/quix/bin/python",
    ),
)
@click.option(
    "--scenario",
    multiple=True,
    type=click.Choice(SCENARIOS),
    help="What to measure; `all` is all but throughput. [default: throughput]",
)
@click.option(
    "--rate", type=click.IntRange(100), metavar="N", help="Chunks a second, not for throughput. [default: 20000]"
)
@click.option("--quick", is_flag=True, help="A tenth to a fifth of the chunks; shows figures and judges none.")
@click.option("--only", multiple=True, type=click.Choice(LOADS), help="Loads by open requests. [default: all]")
@click.option("--peer", multiple=True, type=click.Choice(PEERS), help="Participants. [default: all]")
@click.option("--chunks", type=click.IntRange(2), metavar="N", help="About so many chunks for each load.")
@click.option("--rounds", type=click.IntRange(1, 20), default=1, show_default=True, metavar="N", help="Turns of each.")
@click.option(
    "--quix-python",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="PATH",
    help="Interpreter that has QuixStreams, which can't be installed beside this project.",
)
@json_option
@with_settings("checkpoint_interval", *LOGGING)
def command(  # noqa: PLR0913 (the options of the command)
    loaded: Loaded,
    *,
    scenario: tuple[str, ...],
    rate: int | None,
    quick: bool,
    only: tuple[str, ...],
    peer: tuple[str, ...],
    chunks: int | None,
    rounds: int,
    quix_python: Path | None,
    as_json: bool,
) -> int:
    """Run it; 1 if something is not as it should be."""
    from pipeline.ops import bench

    names = set(scenario or ("throughput",))
    if "throughput" not in names:
        if only or peer or chunks or rounds != 1 or quix_python:
            raise UsageError("--only, --peer, --chunks, --rounds and --quix-python belong to --scenario throughput")
        start_logging(loaded.settings)
        chosen = () if "all" in names else tuple(name for name in SCENARIOS if name in names)
        survey = bench.Survey(chosen, quick=quick) if rate is None else bench.Survey(chosen, quick=quick, rate=rate)
        return bench.survey(loaded.settings, survey, as_json=as_json)
    if len(names) > 1 or rate is not None:
        raise UsageError("throughput is measured by itself, as fast as it goes", hint="run the others apart")
    start_logging(loaded.settings)
    choice = bench.Choice(
        quick=quick,
        loads=only,
        peers=peer,
        chunks=chunks,
        rounds=rounds,
        python=quix_python.absolute() if quix_python is not None else None,
    )
    return bench.run(loaded.settings, choice, as_json=as_json)
