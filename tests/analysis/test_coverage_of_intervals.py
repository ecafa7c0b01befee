"""Whether 95 % intervals cover the truth in 95 of 100 experiments."""

import numpy as np
import pytest
from scipy.special import stdtrit

from simlib.analysis.seeds import run_seeds
from simlib.scenarios import PointToPoint
from simlib.theory import mm1

EXPERIMENTS, RUNS = 1_000, 10


@pytest.mark.parametrize(
    ("load", "messages", "warmup"), [(0.5, 1_000, 100), (0.8, 5_000, 500), (0.9, 60_000, 2_000)]
)
def test_intervals_cover_the_truth_as_often_as_they_say(
    load: float, messages: int, warmup: int
) -> None:
    """1,000 experiments of 10 runs: the standard error of the coverage is 0.7 %."""
    scenario = PointToPoint(messages=messages, warmup=warmup).replace(load=load)
    means = np.array(
        [scenario.run(seed).latency[warmup:].mean() for seed in run_seeds(EXPERIMENTS * RUNS, 2026)]
    ).reshape(EXPERIMENTS, RUNS)
    half = stdtrit(RUNS - 1, 0.975) * means.std(axis=1, ddof=1) / np.sqrt(RUNS)
    covered = np.mean(np.abs(means.mean(axis=1) - mm1(load, 1.0).W) <= half)
    print(f"load {load}: {covered:.1%} of {EXPERIMENTS}")
    assert 0.93 <= covered <= 0.97
