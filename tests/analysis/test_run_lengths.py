"""How long a run must be, and that runs which contradict a formula for being short are in doubt."""

import numpy as np
import pytest

from simlib import (
    Batches,
    Bursty,
    Deterministic,
    Empirical,
    Erlang,
    Exponential,
    Hyperexponential,
    LogNormal,
    Replay,
    Trace,
    Uniform,
    VaryingPoisson,
)
from simlib.analysis import explain, interval, replicate
from simlib.analysis.run_lengths import dispersion, moment, workload
from simlib.scenarios import ClosedLoop, PointToPoint, Scenario
from simlib.theory import closed, mm1_run_length
from simlib.theory.birth_death import time_average

HALF = Exponential(mean=2.0)


@pytest.mark.parametrize(
    ("scenario", "runs", "said"),
    [
        (PointToPoint(interarrival=HALF, service=LogNormal(1, 5), messages=5_000), 20, "M/G/1"),
        (PointToPoint(interarrival=HALF, service=LogNormal(1, 20), messages=5_000), 20, "M/G/1"),
        (
            PointToPoint(interarrival=Exponential(mean=0.002), consumers=1_000, messages=900),
            5,
            "M/M/1000 would need about 10,000 messages a run to forget that it was empty",
        ),
        (PointToPoint(capacity=100, messages=50).replace(load=1.0), 20, "M/M/1/101"),
        (PointToPoint(capacity=100, messages=50).replace(load=1.5), 20, "M/M/1/101"),
        (ClosedLoop(callers=50, messages=100), 10, "short: machine repair"),
        (ClosedLoop(callers=20, messages=10), 2, "short: machine repair"),
    ],
)
def test_runs_that_contradict_an_exact_formula_are_in_doubt(
    scenario: Scenario, runs: int, said: str
) -> None:
    found = replicate(scenario, runs)
    predicted = scenario.forecast().predicted
    seen = {name: interval(found[name]) for name in ("throughput", "utilisation", "latency_mean")}
    assert any(not each.low <= predicted[name] <= each.high for name, each in seen.items())
    assert any("short" in doubt and said in doubt for doubt in found.doubts)


@pytest.mark.parametrize(
    "scenario",
    [
        PointToPoint(capacity=5, messages=20_000).replace(load=0.99),
        PointToPoint(messages=20_000).replace(load=0.8),
        PointToPoint(messages=20_000, service=Deterministic(1.0), interarrival=Deterministic(1.01)),
        PointToPoint(messages=50, service=Deterministic(0.0)),
    ],
)
def test_a_run_that_is_long_enough_is_not_called_short(scenario: PointToPoint) -> None:
    assert not any("short" in doubt for doubt in replicate(scenario, 5).doubts)


def test_callers_who_have_stopped_are_not_looked_at() -> None:
    """500 s of thinking for 500 s of run: 10 runs, whose mean is within four standard errors."""
    scenario = ClosedLoop(
        callers=1_000, think=Exponential(100), service=Exponential(0.05), messages=5_000, warmup=500
    )
    runs = replicate(scenario, 10)
    expected = closed(1_000, 100, 20)
    assert runs.doubts == ()
    for metric, value in (
        ("throughput", expected.throughput),
        ("utilisation", expected.utilisation),
        ("latency_mean", expected.R),
    ):
        error = runs[metric].std() / np.sqrt(len(runs))
        assert abs(runs[metric].mean() - value) <= 4 * error, metric
        assert error < 0.05 * value


def test_a_run_that_is_over_before_all_callers_have_called_is_looked_at_as_a_whole() -> None:
    summary = ClosedLoop(callers=20, messages=10).run(1).summary()
    assert summary["throughput"] == pytest.approx(10 / summary["duration"])


@pytest.mark.parametrize("load", [0.3, 0.8, 0.95])
def test_averages_of_a_chain_are_those_of_mm1(load: float) -> None:
    places = 3_000
    found = time_average(np.full(places, load), np.ones(places), np.arange(places + 1.0))
    exact = mm1_run_length(load, 1.0)
    assert found.mean == pytest.approx(exact.L)
    assert found.asymptotic_variance == pytest.approx(exact.in_system_asymptotic_variance)
    # What an empty M/M/1 lacks: Abate & Whitt 1987, "Transient behavior of the M/M/1 queue".
    assert found.shortfall == pytest.approx(load / (1 - load) ** 3)


def test_averages_of_unlimited_concurrency_and_of_a_hopeless_overload() -> None:
    places = 2_000
    up, down = np.full(places, 500.0), np.arange(1.0, places + 1)
    found = time_average(up, down, np.arange(places + 1.0))
    # M/M/inf: the number forgets exponentially, and its variance is its mean.
    assert (found.shortfall, found.asymptotic_variance) == pytest.approx((500, 1_000))
    # Twice the work, 4,000 places: they are full after 4,000 s, in a straight line.
    overload = time_average(np.full(4_000, 2.0), np.ones(4_000), np.arange(4_001.0))
    assert overload.shortfall == pytest.approx(4_000**2 / 2, rel=0.01)


def test_the_workload_of_mm1_by_its_moments() -> None:
    """In the steady state v is 0 with 1 - load, else exponential with mean 1 / (1 - load)."""
    load = 0.8
    mean, square, cube = (load * k / (1 - load) ** n for n, k in ((1, 1), (2, 2), (3, 6)))
    spread, start = workload(load, Exponential(mean=1.0))
    assert spread == pytest.approx((cube - mean * square) / (1 - load) / mean**2)
    assert start == pytest.approx(1 / (1 - load) ** 2)


@pytest.mark.parametrize(
    "work",
    [
        Exponential(2.0),
        Deterministic(2.0),
        Erlang(k=3, mean=2.0),
        LogNormal(2.0, 0.5),
        Hyperexponential(2.0, 1.5),
        Uniform(1.0, 3.0),
        Empirical(values=[1.0, 2.0, 6.0]),
        Replay(values=[1.0, 2.0, 6.0]),
    ],
    ids=lambda work: type(work).__name__,
)
def test_moments_are_those_of_samples(work) -> None:
    """Of 30,000 each: the mean of 20 is within four standard errors."""
    rng = np.random.default_rng(1)
    for order in (1, 2, 3, 4):
        samples = [np.mean((work.sample(rng, 30_000) / work.average) ** order) for _ in range(20)]
        error = np.std(samples, ddof=1) / np.sqrt(20)
        assert abs(np.mean(samples) - moment(work, order)) <= 4 * error + 1e-9


@pytest.mark.parametrize(
    "arrivals",
    [
        Exponential(1.0),
        Erlang(k=4, mean=1.0),
        Hyperexponential(1.0, 2.0),
        Bursty(rates=(8, 0.2), mean_sojourns=(3, 30)),
        Batches(interarrival=Erlang(k=2, mean=2.0), size=(1, 5)),
    ],
    ids=lambda arrivals: type(arrivals).__name__,
)
def test_arrivals_are_as_dispersed_as_their_counts(arrivals) -> None:
    """Counts in 2,000 windows of 2,000 s: their variance over their mean has 3 % standard error."""
    window, windows = 2_000.0, 2_000
    counts = np.zeros(windows)
    for times in arrivals.instants(np.random.default_rng(5)):
        counts += np.bincount((times // window).astype(int), minlength=windows)[:windows]
        if times[-1] > window * windows:
            break
    found = np.var(counts, ddof=1) / np.mean(counts)
    assert found == pytest.approx(dispersion(arrivals), rel=4 * np.sqrt(2 / windows))


ARRIVALS = [
    Exponential(1.25),
    Deterministic(1.25),
    Deterministic(0.0),
    Uniform(0.0, 2.5),
    Bursty(rates=(2, 0.2), mean_sojourns=(3, 30)),
    Batches(interarrival=Exponential(3.0), size=(1, 3)),
    Batches(interarrival=Erlang(k=2, mean=3.0), size=2),
    VaryingPoisson(mean_rate=1.0, amplitude=0.5, period=10.0),
    Trace(times=[0.0, 1.0, 1.0, 5.0]),
    Trace(times=[0.0, 0.0, 0.0, 0.0]),
]
WORK = [
    Exponential(1.0),
    Deterministic(1.0),
    Deterministic(0.0),
    LogNormal(1.0, 1e60),
    Empirical(values=[0.0, 0.0]),
    Replay(values=[1.0, 2.0, 3.0, 4.0]),
]


@pytest.mark.parametrize("capacity", [None, 0, 3])
@pytest.mark.parametrize("consumers", [1, 3])
def test_any_scenario_that_runs_is_explained_and_doubted(
    consumers: int, capacity: int | None
) -> None:
    for arrivals in ARRIVALS:
        for work in WORK:
            scenario = PointToPoint(
                interarrival=arrivals,
                service=work,
                consumers=consumers,
                capacity=capacity,
                messages=4,
            )
            runs = replicate(scenario, 2)
            forecast = explain(scenario, runs).forecast
            assert np.isfinite(list(forecast.predicted.values())).all()
            assert isinstance(runs.doubts, tuple)
