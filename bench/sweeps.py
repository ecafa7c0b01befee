"""What a sweep costs, and what a second core brings."""

import time
from collections.abc import Iterator

from simlib.analysis import sweep
from simlib.scenarios import PointToPoint

from .measure import Spread
from .report import Table, figure, times

SCENARIO = PointToPoint(messages=100_000, warmup=1_000)
LOADS = [k / 1000 for k in range(400, 900)]
ROUNDS = 5
GOAL = 1.8


def tables() -> Iterator[Table]:
    _seconds(2)  # starts the processes, which stay
    alone, together, ratios = [], [], []
    for _ in range(ROUNDS):
        alone.append(_seconds(1))
        together.append(_seconds(2))
        ratios.append(alone[-1] / together[-1])
    ratio = Spread.of(ratios)
    points = len(LOADS)
    yield Table(
        title="Sweeps",
        about=(
            f"`sweep` over {points} loads of M/M/1, {SCENARIO.messages:,} messages each, by the "
            f"engine that `run` chooses; wall seconds. Goal: two cores are at least {GOAL} times "
            "as fast as one, and 10,000 points take minutes."
        ),
        columns=("processes", "× one", "wall s", "10,000 points (min)", "goal"),
        rows=[
            ("1", "1", figure(Spread.of(alone).median), _minutes(alone), ""),
            (
                "2",
                times(ratio),
                figure(Spread.of(together).median),
                _minutes(together),
                f"≥ {GOAL} {'✓' if ratio.median >= GOAL else '✗'}",
            ),
        ],
    )


def _seconds(n_jobs: int) -> float:
    begun = time.perf_counter()
    sweep(SCENARIO, {"load": LOADS}, replications=1, n_jobs=n_jobs, progress=False)
    return time.perf_counter() - begun


def _minutes(seconds: list[float]) -> str:
    return figure(Spread.of(seconds).median * 10_000 / len(LOADS) / 60)
