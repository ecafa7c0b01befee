"""Arrivals in bursts, over the day, and in batches."""

from __future__ import annotations

from itertools import islice
from math import isnan
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from simlib import Batches, Bursty, Deterministic, Erlang, Exponential, Replay, VaryingPoisson
from simlib.distributions import Arrivals, Distribution
from simlib.values import ParameterError

rates = st.floats(0.2, 50.0)
times = st.floats(0.1, 50.0)

bursty = st.builds(
    lambda first, second, sojourns: Bursty(rates=(first, second), mean_sojourns=sojourns),
    rates,
    rates | st.just(0.0),
    st.tuples(times, times),
)
varying = st.builds(
    lambda mean, share, period: VaryingPoisson(mean, share * mean, period),
    rates,
    st.floats(0.0, 1.0),
    times,
)
sizes = st.integers(1, 20) | st.tuples(st.integers(1, 5), st.integers(5, 20))
batches = st.builds(lambda mean, size: Batches(Exponential(mean), size), times, sizes)
processes = bursty | varying | batches


def _instants(process: Distribution, arrivals: int, seed: int = 1) -> np.ndarray:
    found = np.empty(0)
    for block in process.instants(np.random.default_rng(seed)):
        found = np.concatenate((found, block))
        if len(found) >= arrivals:
            break
    return found[:arrivals]


def _index_of_dispersion(times: np.ndarray, window: float) -> float:
    """Variance of the arrivals per window over their mean: 1 for a Poisson process."""
    counts = np.histogram(times, np.arange(0.0, times[-1], window))[0]
    return float(counts.var() / counts.mean())


# What all have in common


@given(processes, st.integers(0, 2**32))
@settings(max_examples=40)
def test_instants_never_go_back_and_are_the_same_again(process: Distribution, seed: int) -> None:
    instants = _instants(process, 10_000, seed)
    assert len(instants) == 10_000
    assert instants[0] >= 0
    assert (np.diff(instants) >= 0).all()
    np.testing.assert_array_equal(instants, _instants(process, 10_000, seed))


@given(processes)
@settings(max_examples=30)
def test_samples_are_the_gaps_between_the_instants(process: Distribution) -> None:
    gaps = process.sample(np.random.default_rng(3), 5_000)
    assert len(gaps) == 5_000
    np.testing.assert_allclose(np.cumsum(gaps), _instants(process, 5_000, 3), rtol=1e-9)


@given(processes)
def test_they_survive_json(process: Distribution) -> None:
    text = process.model_dump_json()
    assert TypeAdapter[Any](Arrivals).validate_json(text) == process


@given(processes, times)
def test_scaling_changes_the_mean_gap_and_no_shape(process: Distribution, mean: float) -> None:
    scaled = process.scaled(mean)
    assert scaled.average == pytest.approx(mean)
    assert scaled.length is None
    assert scaled.scv == pytest.approx(process.scv, nan_ok=True)


@pytest.mark.parametrize(
    "process",
    [
        Bursty(rates=(5.0, 0.5), mean_sojourns=(2.0, 4.0)),
        Bursty(rates=(3.0, 0.0), mean_sojourns=(1.0, 1.0)),
        Batches(Erlang(3, 2.0), 4),
        Batches(Exponential(2.0), (1, 7)),
    ],
    ids=str,
)
def test_the_mean_and_the_variability_of_gaps_are_as_told(process: Distribution) -> None:
    gaps = process.sample(np.random.default_rng(5), 400_000)
    assert gaps.mean() == pytest.approx(process.average, rel=0.02)
    assert gaps.var() / gaps.mean() ** 2 == pytest.approx(process.scv, rel=0.03)


def test_they_read_like_what_was_written() -> None:
    process = Batches(Exponential(2.0), (1, 4))
    assert str(process) == "Batches(interarrival=Exponential(mean=2.0), size=(1, 4))"


# Bursts


def test_bursts_with_equal_rates_are_a_poisson_process() -> None:
    process = Bursty(rates=(2.0, 2.0), mean_sojourns=(1.0, 5.0))
    assert process.scv == pytest.approx(1.0)
    assert _index_of_dispersion(_instants(process, 100_000), 5.0) == pytest.approx(1.0, abs=0.03)


def test_bursts_show_over_times_longer_than_a_burst() -> None:
    """Over long times the index is 1 + 2 (difference of the rates)² variance time / mean rate."""
    process = Bursty(rates=(1.6, 0.2), mean_sojourns=(10.0, 10.0))
    # The rate's covariance is 0.7² exp(-0.2 t): its integral is 0.49 / 0.2.
    expected = 1 + 2 * 0.49 / 0.2 / 0.9
    assert _index_of_dispersion(_instants(process, 1_000_000), 500.0) == pytest.approx(
        expected, rel=0.08
    )


def test_bursts_begin_as_if_they_had_been_going_on_for_ever() -> None:
    process = Bursty(rates=(10.0, 0.0), mean_sojourns=(1.0, 3.0))
    counts = [np.sum(_instants(process, 4_096, seed) < 1.0) for seed in range(2_000)]
    assert np.mean(counts) == pytest.approx(2.5, rel=0.1)


def test_sojourns_far_shorter_than_gaps_average_out() -> None:
    process = Bursty(rates=(2.0, 0.0), mean_sojourns=(0.01, 0.01))
    gaps = process.sample(np.random.default_rng(2), 20_000)
    assert gaps.var() / gaps.mean() ** 2 == pytest.approx(1.0, abs=0.05)


# The day


def test_the_rate_goes_up_and_down_with_the_time_of_the_day() -> None:
    process = VaryingPoisson(mean_rate=10.0, amplitude=8.0, period=4.0)
    hours = np.histogram(_instants(process, 400_000) % 4.0, 16, (0.0, 4.0))[0]
    edges = np.linspace(0.0, 4.0, 17)
    # The integral of the rate over each sixteenth of the day.
    expected = np.diff(10.0 * edges - 8.0 * 2 / np.pi * np.cos(np.pi / 2 * edges)) * 10_000
    np.testing.assert_allclose(hours, expected, atol=5 * np.sqrt(expected).max())


def test_a_day_without_hours_is_a_poisson_process() -> None:
    process = VaryingPoisson(2.0, 0.0, 10.0)
    gaps = process.sample(np.random.default_rng(1), 100_000)
    assert gaps.mean() == pytest.approx(0.5, rel=0.02)
    assert gaps.var() / gaps.mean() ** 2 == pytest.approx(1.0, abs=0.03)
    assert isnan(process.scv)


def test_more_traffic_does_not_shorten_the_day() -> None:
    assert VaryingPoisson(10.0, 5.0, 86_400.0).scaled(0.05) == VaryingPoisson(20.0, 10.0, 86_400.0)


# Batches


def test_batches_arrive_whole() -> None:
    blocks = Batches(Deterministic(2.0), 3).instants(np.random.default_rng(0))
    assert next(blocks)[:7].tolist() == [2.0, 2.0, 2.0, 4.0, 4.0, 4.0, 6.0]


def test_batches_of_any_size_between_two_are_equally_likely() -> None:
    blocks = Batches(Deterministic(1.0), (2, 4)).instants(np.random.default_rng(0))
    sizes = np.concatenate([np.unique(block, return_counts=True)[1] for block in islice(blocks, 5)])
    shares = np.bincount(sizes) / len(sizes)
    np.testing.assert_allclose(shares, [0, 0, 1 / 3, 1 / 3, 1 / 3], atol=0.02)


# What makes no sense


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: Bursty((0.0, 0.0), (1.0, 1.0)), "rates must not both be 0"),
        (lambda: Bursty((-1.0, 1.0), (1.0, 1.0)), "rates"),
        (lambda: Bursty((1.0, 1.0), (0.0, 1.0)), "mean_sojourns"),
        (lambda: Bursty((1.0, 2.0, 3.0), (1.0, 1.0)), "rates"),
        (lambda: VaryingPoisson(1.0, 1.5, 10.0), "amplitude must be <= mean_rate=1"),
        (lambda: VaryingPoisson(0.0, 0.0, 10.0), "mean_rate"),
        (lambda: VaryingPoisson(1.0, 0.5, 0.0), "period"),
        (lambda: Batches(Exponential(1.0), 0), "size"),
        (lambda: Batches(Exponential(1.0), (5, 2)), "size must be"),
        (lambda: Batches(Replay([1.0, 2.0]), 2), "Trace with equal instants"),
    ],
)
def test_what_makes_no_sense_is_refused(make: Any, complaint: str) -> None:
    with pytest.raises(ParameterError, match=complaint):
        make()
