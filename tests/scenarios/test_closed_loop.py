"""Callers who think, call and wait."""

import numpy as np
import pytest

from simlib import Deterministic, Exponential
from simlib.analysis import replicate
from simlib.scenarios import ClosedLoop
from simlib.theory import closed


@pytest.mark.parametrize(
    ("callers", "think", "rate", "workers"), [(10, 5.0, 1.0, 1), (12, 0.125, 2.0, 5)]
)
def test_agrees_with_the_machine_repair_model(
    callers: int, think: float, rate: float, workers: int
) -> None:
    """20 replications of 20,000 calls: the standard errors are below half a percent."""
    scenario = ClosedLoop(
        callers=callers,
        think=Exponential(mean=think),
        service=Exponential(mean=1 / rate),
        workers=workers,
        messages=20_000,
        warmup=1_000,
    )
    runs = replicate(scenario, 20, seed=21)
    expected = closed(callers, think, rate, workers)
    for metric, value in (
        ("throughput", expected.throughput),
        ("latency_mean", expected.R),
        ("in_system_mean", expected.L),
        ("utilisation", expected.utilisation),
    ):
        error = runs[metric].std() / np.sqrt(len(runs))
        assert error <= 0.02 / 4 * value, metric
        assert abs(runs[metric].mean() - value) <= 4 * error, metric


def test_there_are_never_more_requests_than_callers() -> None:
    result = ClosedLoop(callers=7, think=Exponential(mean=0.01), messages=3_000).run(1)
    assert result.series["in_system"].max() == 7
    assert result.ledger.acked == 3_000


def test_callers_that_never_meet_take_think_and_work() -> None:
    scenario = ClosedLoop(
        callers=1, think=Deterministic(2.0), service=Deterministic(0.5), messages=3
    )
    assert scenario.run(1).messages["created"].tolist() == [2.0, 4.5, 7.0]
    assert scenario.run(1).messages["finished"].tolist() == [2.5, 5.0, 7.5]


def test_an_hour_of_warm_up_for_a_minute_of_run_is_refused() -> None:
    with pytest.raises(ValueError, match="warmup must be smaller than messages=10, got 10"):
        ClosedLoop(messages=10, warmup=10)
