"""Lines of stations held against known answers, by the acceptance rule that cases.json states."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
from acceptance import CASES, Experiment, Metric, check

from simlib import Deterministic, Exponential
from simlib.analysis import Result
from simlib.scenarios import Pipeline, Station


def _summary(key: str) -> Metric:
    return lambda result: float(result.summary()[key])


def _latency(figure: Callable[[np.ndarray], Any]) -> Metric:
    def metric(result: Result) -> float:
        latency = result.messages["latency"].to_numpy()[result.warmup :]
        return float(figure(latency[~np.isnan(latency)]))

    return metric


LATENCY: dict[str, Metric] = {
    "mean": _latency(np.mean),
    "sd": _latency(np.std),
    **{
        f"p{percent}": _latency(lambda x, p=percent: np.percentile(x, p))
        for percent in (50, 95, 99)
    },
}


def _unbounded(case: dict[str, Any]) -> Experiment:
    """Stations with all the room that they need, in their steady state."""
    p = case["parameters"]
    line = Pipeline(
        interarrival=Exponential(1 / p["lam"]),
        stations=[Station(service=Exponential(1 / mu)) for mu in p["mus"]],
        duration=200_000 / p["lam"],
        warmup=1_000,
    )
    metrics = {
        "W": LATENCY["mean"],
        "L": _summary("in_system_mean"),
        "throughput": _summary("throughput"),
    }
    metrics |= {f"{'sd_W' if name == 'sd' else f'W_{name}'}": LATENCY[name] for name in
                ("sd", "p50", "p95", "p99")}  # fmt: skip
    return Experiment(line, metrics)


def _saturated(case: dict[str, Any]) -> Experiment:
    """Stations that block each other, with work always waiting before the first."""
    p = case["parameters"]
    line = Pipeline(
        interarrival=Deterministic(0.0),
        stations=[
            Station(service=Exponential(1 / mu), capacity=capacity)
            for mu, capacity in zip(p["mus"], [None, *p["buffers"]], strict=True)
        ],
        # Filling and emptying the line take the time of a few messages.
        messages=30_000,
    )
    return Experiment(line, {"throughput": _summary("throughput")})


def _overloaded(case: dict[str, Any]) -> Experiment:
    """Stations whose queues grow for ever, wherever more comes than the next can do."""
    p = case["parameters"]
    line = Pipeline(
        interarrival=Exponential(1 / p["lam"]),
        stations=[
            Station(service=Exponential(1 / stage["mu"]), consumers=stage["c"])
            for stage in p["stages"]
        ],
        duration=14_000.0,
    )

    def growth(place: int) -> Metric:
        def metric(result: Result) -> float:
            # From an instant at which no queue is new any more.
            start, end = result.duration / 10, result.duration
            enqueued, started = (
                result.columns[f"{name}_{place + 1}"] for name in ("enqueued", "started")
            )
            more = np.sum((enqueued >= start) & (enqueued < end))
            return float(more - np.sum((started >= start) & (started < end))) / (end - start)

        return metric

    def bottleneck(result: Result) -> float:
        """The last station that never rests: what is behind it gets less than it could do."""
        summary = result.summary()
        busy = [summary[f"utilisation_{place + 1}"] > 0.99 for place in range(len(p["stages"]))]
        return float(np.flatnonzero(busy)[-1])

    metrics = {"throughput": _summary("throughput"), "bottleneck_stage": bottleneck}
    for place in range(len(p["stages"])):
        metrics[f"backlog_growth_rate_stage{place}"] = growth(place)
    return Experiment(line, metrics)


def _one_at_a_time(case: dict[str, Any]) -> Experiment:
    """Messages so far apart that none waits for another."""
    stages = case["parameters"]["stages"]
    assert {stage["kind"] for stage in stages} == {"exp"}
    line = Pipeline(
        interarrival=Deterministic(1_000 * max(stage["mean"] for stage in stages)),
        stations=[Station(service=Exponential(stage["mean"])) for stage in stages],
        messages=20_000,
    )
    return Experiment(line, LATENCY)


EXPRESSED: dict[str, Callable[[dict[str, Any]], Experiment]] = {
    "tandem-2": _unbounded,
    "line-2-b0": _saturated,
    "line-3-b0": _saturated,
    "line-2-b3": _saturated,
    "pipeline-min": _overloaded,
    "sync-chain-sum": _one_at_a_time,
}
"""The experiment that answers a case."""

NOT_WITHIN_BUDGET: dict[str, dict[str, float]] = {}
"""Metrics whose standard error is still above a quarter of the tolerance in the runs above, and
about how many million messages they would take."""

NOT_MEASURED: dict[str, dict[str, str]] = {
    "sync-chain-sum": {"availability": "a product of what is given: no station is ever down here"},
}
"""Metrics that these runs cannot tell at all, and why."""

PAIRS = [
    (case_id, metric)
    for case_id in EXPRESSED
    for metric in CASES[case_id]["expected"]
    if metric not in NOT_MEASURED.get(case_id, {})
]


@cache
def _measured(case_id: str) -> dict[str, np.ndarray]:
    case = CASES[case_id]
    return EXPRESSED[case_id](case).run()


@pytest.mark.parametrize(("case_id", "metric"), PAIRS)
def test_the_simulation_agrees_with_the_known_answer(case_id: str, metric: str) -> None:
    excused = metric in NOT_WITHIN_BUDGET.get(case_id, {})
    check(case_id, metric, _measured(case_id)[metric], long_enough=not excused)


def test_every_excuse_is_about_a_metric_of_a_case() -> None:
    for excuses in (NOT_WITHIN_BUDGET, NOT_MEASURED):
        for case_id, metrics in excuses.items():
            assert case_id in EXPRESSED
            assert metrics.keys() <= CASES[case_id]["expected"].keys()
