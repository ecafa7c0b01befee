"""Distributions as values: moments, shapes, comparison, JSON, errors."""

from __future__ import annotations

import itertools
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter
from scipy import stats

import simlib
from simlib import (
    Deterministic,
    Distribution,
    Empirical,
    Erlang,
    Exponential,
    Hyperexponential,
    LogNormal,
    Replay,
    Trace,
    Uniform,
)
from simlib.distributions import Arrivals, Durations
from simlib.scenarios import PointToPoint
from simlib.values import ParameterError

means = st.floats(1e-3, 1e3)
values = st.lists(st.floats(0, 100), min_size=1, max_size=20)


def _scaled_bounds(low: float, width: float) -> Uniform:
    return Uniform(low, low + width)


RANDOM = st.one_of(
    st.builds(Exponential, mean=means),
    st.builds(Erlang, k=st.integers(1, 20), mean=means),
    # The scv of heavier tails needs more samples than a quick test has.
    st.builds(LogNormal, mean=means, cv=st.floats(0.05, 1.0)),
    st.builds(Hyperexponential, mean=means, cv=st.floats(1.0, 3.0)),
    st.builds(_scaled_bounds, st.floats(0, 10), st.floats(0.1, 10)),
    st.builds(Empirical, values=st.lists(st.floats(0.01, 100), min_size=2, max_size=20)),
)
MEASURED = st.one_of(
    st.builds(Replay, values=values),
    st.builds(Trace, times=values.map(sorted)),
)
ANY = st.one_of(RANDOM, MEASURED, st.builds(Deterministic, value=st.floats(0, 1e3)))

ONE_OF_EACH = [
    Exponential(0.5),
    Deterministic(2.0),
    Erlang(3, 1.5),
    LogNormal(2.0, 1.5),
    Hyperexponential(1.0, 2.0),
    Uniform(1.0, 3.0),
    Empirical([1.0, 2.0, 6.0]),
    Replay([3.0, 1.0, 2.0]),
    Trace([0.5, 1.5, 1.5, 4.0]),
]
each = pytest.mark.parametrize("distribution", ONE_OF_EACH, ids=lambda d: type(d).__name__)


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


# Moments and shapes


@given(RANDOM)
@settings(derandomize=True, max_examples=60)
def test_samples_have_the_mean_and_the_variation_that_the_distribution_tells(
    distribution: Distribution,
) -> None:
    # Both within 5 standard errors of 40,000 samples; that of the scv by the delta method.
    sample = distribution.sample(rng(7), 40_000)
    mean, scv = sample.mean(), sample.var() / sample.mean() ** 2
    mean_error = sample.std() / np.sqrt(len(sample))
    influence = (sample - mean) ** 2 / mean**2 - scv - 2 * scv * (sample - mean) / mean
    scv_error = influence.std() / np.sqrt(len(sample))
    assert abs(mean - distribution.average) <= 5 * mean_error + 1e-12
    assert abs(scv - distribution.scv) <= 5 * scv_error + 1e-12


@pytest.mark.parametrize(
    ("distribution", "average", "scv"),
    [
        (Exponential(0.5), 0.5, 1.0),
        (Deterministic(2.0), 2.0, 0.0),
        (Erlang(4, 2.0), 2.0, 0.25),
        (LogNormal(2.0, 1.5), 2.0, 2.25),
        (Hyperexponential(0.1, 2.0), 0.1, 4.0),
        (Uniform(1.0, 3.0), 2.0, 1 / 12),
        (Empirical([1.0, 3.0]), 2.0, 0.25),
        (Empirical([0.0]), 0.0, 0.0),
        (Replay([1.0, 3.0]), 2.0, 0.25),
        (Trace([5.0, 6.0, 9.0]), 2.0, 0.25),
        (Trace([5.0]), 5.0, 0.0),
        (Trace([5.0, 5.0]), 0.0, 0.0),
    ],
    ids=str,
)
def test_mean_and_variation_follow_from_the_parameters(
    distribution: Distribution, average: float, scv: float
) -> None:
    assert distribution.average == pytest.approx(average, rel=1e-12)
    assert distribution.scv == pytest.approx(scv, rel=1e-12)


def _hyperexponential(x: Any) -> Any:
    # Mean 2, cv 2: balanced means, as Whitt (1982) has them.
    p = (1 + np.sqrt(3 / 5)) / 2
    return 1 - p * np.exp(-x * p) - (1 - p) * np.exp(-x * (1 - p))


@pytest.mark.parametrize(
    ("distribution", "cdf"),
    [
        (Exponential(2.0), stats.expon(scale=2.0).cdf),
        (Erlang(3, 2.0), stats.gamma(3, scale=2.0 / 3).cdf),
        (
            LogNormal(2.0, 1.5),
            stats.lognorm(s=np.sqrt(np.log(3.25)), scale=2.0 / np.sqrt(3.25)).cdf,
        ),
        (Hyperexponential(2.0, 2.0), _hyperexponential),
        (Uniform(1.0, 3.0), stats.uniform(1.0, 2.0).cdf),
    ],
    ids=lambda given: type(given).__name__ if isinstance(given, Distribution) else None,
)
def test_samples_have_the_shape_that_the_name_says(
    distribution: Distribution, cdf: Callable[[Any], Any]
) -> None:
    # Kolmogorov-Smirnov on 50,000 samples sees differences of 0.01 in the distribution function.
    assert stats.kstest(distribution.sample(rng(3), 50_000), cdf).pvalue > 0.001


def test_an_empirical_sample_draws_every_value_equally_often() -> None:
    drawn, counts = np.unique(Empirical([4.0, 1.0, 2.0]).sample(rng(), 30_000), return_counts=True)
    assert drawn.tolist() == [1.0, 2.0, 4.0]
    assert stats.chisquare(counts).pvalue > 0.001


@given(ANY)
@settings(max_examples=50)
def test_no_duration_is_negative(distribution: Distribution) -> None:
    assert np.all(distribution.sample(rng(), 1000) >= 0)


# Values


@given(ANY)
@settings(max_examples=50)
def test_json_gives_back_the_same_distribution(distribution: Distribution) -> None:
    text = distribution.model_dump_json()
    again = type(distribution).model_validate_json(text)
    assert again == distribution
    assert hash(again) == hash(distribution)
    assert TypeAdapter[Any](Arrivals).validate_json(text) == distribution


@each
def test_json_tells_which_distribution_it_is(distribution: Distribution) -> None:
    text = distribution.model_dump_json()
    again = TypeAdapter[Any](Arrivals).validate_json(text)
    assert type(again) is type(distribution)
    if not isinstance(distribution, Trace):
        assert TypeAdapter[Any](Durations).validate_json(text) == distribution


def test_a_trace_is_no_distribution_of_durations() -> None:
    with pytest.raises(ParameterError, match=r"service must be a distribution .* got Trace\("):
        PointToPoint(messages=1, service=Trace([1.0]))


@each
def test_a_copy_is_equal_and_has_the_same_hash(distribution: Distribution) -> None:
    copy = pickle.loads(pickle.dumps(distribution))  # noqa: S301
    assert copy == distribution
    assert copy is not distribution
    assert len({copy, distribution}) == 1


def test_different_distributions_are_not_equal() -> None:
    others = [
        *ONE_OF_EACH,
        Exponential(0.25),
        Deterministic(0.5),
        Erlang(2, 1.5),
        Erlang(3, 1.0),
        LogNormal(2.0, 1.0),
        Uniform(1.0, 4.0),
        Empirical([3.0, 1.0, 2.0]),
        Replay([1.0, 2.0, 3.0]),
        Trace([3.0]),
        Replay([3.0]),
    ]
    assert all(a != b for a, b in itertools.combinations(others, 2))
    assert len(set(others)) == len(others)


@each
def test_a_distribution_cannot_be_changed(distribution: Distribution) -> None:
    name = next(name for name in type(distribution).model_fields if name != "kind")
    before = distribution.model_copy()
    with pytest.raises(ParameterError, match="frozen"):
        setattr(distribution, name, 1.0)
    assert distribution == before


def test_changing_the_list_that_was_given_changes_nothing() -> None:
    given_values = [1.0, 2.0]
    distribution = Replay(given_values)
    given_values.append(3.0)
    assert distribution == Replay([1.0, 2.0])


def test_parameters_go_by_position_or_by_name() -> None:
    assert Exponential(0.5) == Exponential(mean=0.5)
    assert Deterministic(0.5) == Deterministic(value=0.5)
    assert Erlang(3, 0.5) == Erlang(3, mean=0.5) == Erlang(mean=0.5, k=3)
    assert LogNormal(0.5, 2.0) == LogNormal(mean=0.5, cv=2.0)
    assert Hyperexponential(0.5, 2.0) == Hyperexponential(mean=0.5, cv=2.0)
    assert Uniform(1.0, 2.0) == Uniform(low=1.0, high=2.0)
    assert Empirical([1.0]) == Empirical(values=[1.0])
    assert Replay([1.0]) == Replay(values=[1.0])
    assert Trace([1.0]) == Trace(times=[1.0])


@pytest.mark.parametrize("column", [(1.0, 2.0), np.array([1.0, 2.0]), pd.Series([1.0, 2.0])])
def test_columns_of_other_libraries_are_taken_as_lists_are(column: Any) -> None:
    assert Replay(column) == Replay([1.0, 2.0])
    assert Empirical(column) == Empirical([1.0, 2.0])
    assert Trace(column) == Trace([1.0, 2.0])


@each
def test_what_is_printed_makes_the_same_again_or_sums_it_up(distribution: Distribution) -> None:
    name = type(distribution).__name__
    assert str(distribution).startswith(f"{name}(")
    if name not in ("Empirical", "Replay", "Trace"):
        assert eval(str(distribution), vars(simlib)) == distribution
        assert eval(repr(distribution), vars(simlib)) == distribution


# Errors


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Exponential(0), ["Exponential", "mean", "> 0", "got 0"]),
        (lambda: Exponential(-1.5), ["mean", "> 0", "got -1.5"]),
        (lambda: Exponential("soon"), ["mean", "number", "'soon'"]),
        (lambda: Exponential(float("nan")), ["mean", "finite", "nan"]),
        (lambda: Exponential(float("inf")), ["mean", "finite", "inf"]),
        (lambda: Exponential(), ["mean", "missing"]),
        (lambda: Exponential(1.0, cv=2), ["cv", "there is no"]),
        (lambda: Deterministic(-1.0), ["value", ">= 0", "-1.0"]),
        (lambda: Erlang(0, 1.0), ["k", ">= 1", "got 0"]),
        (lambda: Erlang(1.5, 1.0), ["k", "whole number", "got 1.5"]),
        (lambda: Erlang(2, 0), ["mean", "> 0", "got 0"]),
        (lambda: LogNormal(1.0, 0), ["cv", "> 0", "got 0"]),
        (lambda: LogNormal(1.0, float("inf")), ["cv", "finite", "inf"]),
        (lambda: Hyperexponential(1.0, 0.9), ["cv", ">= 1", "0.9"]),
        (lambda: Uniform(-1.0, 1.0), ["low", ">= 0", "-1.0"]),
        (lambda: Uniform(2.0, 1.0), ["high must be > low=2 s", "got 1"]),
        (lambda: Uniform(2.0, 2.0), ["high must be > low=2 s", "got 2"]),
        (lambda: Uniform(0.0, float("inf")), ["high", "finite", "inf"]),
        (lambda: Empirical([]), ["values", "at least 1"]),
        (lambda: Empirical([1.0, -2.0]), ["values must be >= 0 s", "-2", "index 1"]),
        (lambda: Empirical([1.0, float("nan")]), ["values", "1", "finite", "nan"]),
        (lambda: Empirical(5.0), ["values", "sequence", "5.0"]),
        (lambda: Replay([]), ["values", "at least 1"]),
        (lambda: Replay([-1.0]), ["values must be >= 0 s", "-1", "index 0"]),
        (lambda: Replay([1.0, "x"]), ["values", "1", "number", "'x'"]),
        (lambda: Trace([]), ["times", "at least 1"]),
        (lambda: Trace([-1.0, 2.0]), ["times must be >= 0 s", "-1", "index 0"]),
        (lambda: Trace([1.0, 3.0, 2.0]), ["times must not decrease", "2 s after 3 s", "index 2"]),
        (lambda: Trace([1.0, float("inf")]), ["times", "1", "finite", "inf"]),
    ],
)
def test_a_bad_value_is_refused_by_its_name(make: Callable[[], Any], words: list[str]) -> None:
    with pytest.raises(ParameterError) as caught:
        make()
    for word in words:
        assert word in str(caught.value)


def test_too_many_positions_are_refused() -> None:
    with pytest.raises(TypeError, match="Erlang takes k, mean, got 3 values"):
        Erlang(1, 2.0, 3.0)


def test_a_value_given_twice_is_refused() -> None:
    with pytest.raises(TypeError, match="Exponential got mean twice"):
        Exponential(1.0, mean=2.0)


# Another mean


@given(ANY, st.floats(0.01, 100))
@settings(max_examples=60)
def test_scaling_changes_the_mean_and_leaves_the_shape(
    distribution: Distribution, mean: float
) -> None:
    # Values near the smallest number there is cannot be stretched exactly.
    assume(distribution.average > 1e-100)
    scaled = distribution.scaled(mean)
    assert type(scaled) is type(distribution)
    assert scaled.average == pytest.approx(mean, rel=1e-9)
    assert scaled.scv == pytest.approx(distribution.scv, rel=1e-6, abs=1e-9)
    assert scaled.length == distribution.length
    before, after = distribution.sample(rng(), 50), scaled.sample(rng(), 50)
    np.testing.assert_allclose(after, before * (mean / distribution.average), rtol=1e-9, atol=1e-9)


def test_a_constant_of_nothing_can_be_given_a_mean() -> None:
    assert Deterministic(0.0).scaled(3.0) == Deterministic(3.0)


@pytest.mark.parametrize("nothing", [Replay([0.0, 0.0]), Empirical([0.0]), Trace([1.0, 1.0])])
def test_what_takes_no_time_at_all_cannot_be_scaled(nothing: Distribution) -> None:
    with pytest.raises(ValueError, match="cannot be scaled"):
        nothing.scaled(1.0)


def test_a_scaled_distribution_is_validated() -> None:
    with pytest.raises(ParameterError, match="> 0"):
        Exponential(1.0).scaled(-1.0)


# Streams


def _first(distribution: Distribution, count: int, seed: int = 5) -> list[float]:
    blocks = itertools.chain.from_iterable(distribution.blocks(rng(seed)))
    return list(itertools.islice(blocks, count))


@each
def test_the_same_stream_gives_the_same_durations(distribution: Distribution) -> None:
    np.testing.assert_array_equal(_first(distribution, 10_000), _first(distribution, 10_000))
    if distribution.length is None and distribution.scv:
        assert _first(distribution, 100) != _first(distribution, 100, seed=6)


@each
def test_what_comes_first_does_not_depend_on_how_much_is_asked_for(
    distribution: Distribution,
) -> None:
    assert _first(distribution, 10) == _first(distribution, 9_000)[:10]


@each
def test_instants_are_the_running_sums_of_the_durations(distribution: Distribution) -> None:
    count = 10_000
    instants = itertools.chain.from_iterable(distribution.instants(rng(5)))
    if isinstance(distribution, Trace):
        np.testing.assert_array_equal(list(instants), distribution.times)
        return
    now, expected = 0.0, []
    for gap in _first(distribution, count):
        now += gap
        expected.append(now)
    np.testing.assert_array_equal(list(itertools.islice(instants, count)), expected)


def test_a_replay_gives_its_values_in_their_order_and_then_ends() -> None:
    long = [float(number) for number in range(10_000)]
    for replayed in ([3.0, 1.0, 2.0], long):
        replay = Replay(replayed)
        np.testing.assert_array_equal(_first(replay, 20_000), replayed)
        assert replay.length == len(replayed)


def test_a_trace_gives_its_instants_as_they_are_and_then_ends() -> None:
    times = [0.25 * (number // 2) for number in range(10_000)]
    trace = Trace(times)
    instants = list(itertools.chain.from_iterable(trace.instants(rng())))
    np.testing.assert_array_equal(instants, times)
    assert trace.length == len(times)


@pytest.mark.parametrize("distribution", [d for d in ONE_OF_EACH if d.length is None], ids=str)
def test_all_others_have_no_end(distribution: Distribution) -> None:
    assert len(_first(distribution, 10_000)) == 10_000
