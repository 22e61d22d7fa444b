"""`streamledger bench`: the worker and its peers on the same topics, in the same run.

Owns the options; the benchmark is `pipeline.ops.bench`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import rich_click as click

from pipeline.cli.options import LOGGING, examples, json_option, start_logging, with_settings
from pipeline.cli.shell import COMMANDS
from pipeline.settings import Loaded

LOADS: Final = ("200", "10k", "100k", "small")
PEERS: Final = ("streamledger", "kafka-streams", "quixstreams", "consume", "plain-faust")


@click.command(
    help=f"{COMMANDS['bench']} It brings its own Kafka. Exit 1 if a participant comes to no end or, with the full "
    "loads, the worker is slower than it should be.",
    epilog=examples(
        "streamledger bench",
        "streamledger bench --quick --only 10k",
        "streamledger bench --peer streamledger --peer kafka-streams --rounds 2 --json",
        "streamledger bench --checkpoint-interval 200ms --quix-python ~/quix/bin/python",
    ),
)
@click.option("--quick", is_flag=True, help="A tenth to a fifth of the chunks; shows ratios and judges none.")
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
