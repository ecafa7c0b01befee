"""Theory beside observation."""

import pytest

from simlib import (
    Batches,
    Bursty,
    Deterministic,
    Erlang,
    Exponential,
    Hyperexponential,
    LogNormal,
    Replay,
    Trace,
    Uniform,
    VaryingPoisson,
)
from simlib.analysis import explain, replicate
from simlib.scenarios import ClosedLoop, PointToPoint, SyncVsAsync

MM1 = PointToPoint(messages=20_000, warmup=1_000)
BURSTS = Bursty(rates=(2, 0.2), mean_sojourns=(5, 10))


@pytest.mark.parametrize(
    ("changes", "model"),
    [
        ({}, "M/M/1"),
        ({"consumers": 3}, "M/M/3"),
        ({"capacity": 4}, "M/M/1/5"),
        ({"capacity": 4, "consumers": 2}, "M/M/2/6"),
        ({"capacity": 0, "service": LogNormal(mean=1, cv=2)}, "M/G/1/1"),
        ({"service": Deterministic(value=1.0)}, "M/D/1"),
        ({"service": Deterministic(value=1.0), "consumers": 2}, "M/D/2"),
        ({"service": LogNormal(mean=1, cv=2)}, "M/G/1"),
        ({"interarrival": Erlang(k=2, mean=1.25)}, "GI/M/1"),
        ({"interarrival": Hyperexponential(mean=1.25, cv=2)}, "GI/M/1"),
        ({"interarrival": Uniform(low=1.0, high=1.5)}, "G/G/1"),
        ({"service": LogNormal(mean=1, cv=2), "consumers": 2}, "G/G/2"),
        ({"interarrival": BURSTS}, "MMPP/M/1"),
        ({"interarrival": Batches(interarrival=Exponential(mean=3.0), size=(1, 3))}, "M[X]/G/1"),
    ],
)
def test_the_formula_that_applies_is_chosen_and_the_simulation_agrees(changes, model) -> None:
    """10 replications of 20,000: four standard errors of each predicted figure."""
    scenario = MM1.replace(**changes)
    found = explain(scenario, replicate(scenario, 10, seed=31))
    assert found.forecast.model == model
    assert found.forecast.exact == (not model.startswith("G/G"))
    for metric, predicted in found.forecast.predicted.items():
        values = found.observed[metric]
        error = values.std() / len(values) ** 0.5
        slack = 0.0 if found.forecast.exact else 0.2 * predicted
        assert abs(values.mean() - predicted) <= 4 * error + slack + 1e-3 * predicted, metric


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"load": 1.0}, "at a load of 1 the queue grows"),
        ({"interarrival": Trace(times=[0.0, 1.0]), "messages": None, "warmup": 0}, "recorded arri"),
        ({"service": Replay(values=[1.0] * 20_000)}, "recorded work"),
        ({"capacity": 2, "service": Erlang(k=2, mean=1)}, "exponential work only"),
        ({"capacity": 2, "interarrival": Erlang(k=2, mean=1)}, "Poisson arrivals only"),
        ({"get_cost": 0.1}, "get_cost is set"),
        ({"interarrival": VaryingPoisson(mean_rate=0.5, amplitude=0.5, period=50)}, "varies with"),
        ({"interarrival": BURSTS, "consumers": 2}, "depend on each other"),
        ({"interarrival": BURSTS, "service": Deterministic(value=1.0)}, "depend on each other"),
        ({"service": Deterministic(value=0.0)}, "takes no time"),
        ({"interarrival": Deterministic(value=0.0)}, "all messages come at once"),
    ],
)
def test_why_no_formula_applies_is_said(changes, why) -> None:
    forecast = explain(MM1.replace(**changes)).forecast
    assert (forecast.model, dict(forecast.predicted)) == ("none", {})
    assert why in forecast.why


def test_callers_who_wait_are_a_closed_queue() -> None:
    scenario = ClosedLoop(callers=5, messages=20_000, warmup=1_000)
    found = explain(scenario, replicate(scenario, 10))
    assert found.forecast.model == "machine repair"
    assert (found.table["verdict"] == "agrees").sum() >= 3


def test_a_scenario_without_a_formula_says_so() -> None:
    assert "no formula describes SyncVsAsync" in explain(SyncVsAsync(messages=10)).forecast.why


def test_before_a_run_there_is_only_the_prediction() -> None:
    found = explain(MM1)
    assert list(found.table) == ["predicted"]
    assert found.table.loc["latency_mean", "predicted"] == pytest.approx(5)
    assert "M/M/1: Poisson arrivals and exponential work" in str(found)
    assert "latency, mean: 5.00 s predicted" in str(found)


def test_a_wrong_prediction_is_not_said_to_agree() -> None:
    runs = replicate(MM1, 10)
    runs.table["latency_mean"] *= 1.5
    found = explain(MM1, runs)
    assert "% from the formula" in found.table.loc["latency_mean", "verdict"]


def test_doubts_are_passed_on() -> None:
    short = PointToPoint(messages=100)
    assert "in doubt: 3 of 3 runs: short" in str(explain(short, replicate(short, 3)))


def test_runs_of_another_scenario_are_refused() -> None:
    with pytest.raises(ValueError, match="another scenario"):
        explain(MM1, replicate(MM1.replace(consumers=2), 2))
