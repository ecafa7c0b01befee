"""What the tests of analysis share."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy.special import stdtrit

from simlib.analysis.seeds import run_seeds
from simlib.scenarios import PointToPoint
from simlib.theory import mm1

EXPERIMENTS, RUNS = 1_000, 10


@pytest.fixture
def covered() -> Callable[..., float]:
    """Counts how often an interval covers the truth: see the function."""
    return _covered


def _covered(load: float, messages: int, warmup: int, part: slice = slice(None)) -> float:
    """The fraction of the intervals for the mean latency of M/M/1, of 10 runs each, that cover it.

    Its standard error is 0.7 % of 1,000 experiments, and 1.0 % of 500; ``part`` takes some only.
    """
    scenario = PointToPoint(messages=messages, warmup=warmup).replace(load=load)
    seeds = np.reshape(run_seeds(EXPERIMENTS * RUNS, 2026), (EXPERIMENTS, RUNS))[part]
    means = np.array(
        [[scenario.run(int(seed)).latency[warmup:].mean() for seed in row] for row in seeds]
    )
    half = stdtrit(RUNS - 1, 0.975) * means.std(axis=1, ddof=1) / np.sqrt(RUNS)
    found = float(np.mean(np.abs(means.mean(axis=1) - mm1(load, 1.0).W) <= half))
    print(f"load {load}: {found:.1%} of {len(means)}")
    return found
