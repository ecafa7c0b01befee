"""Replications, intervals and paired comparisons."""

import numpy as np
import pytest

from simlib.analysis import Comparison, Replications, compare, interval, replicate
from simlib.scenarios import PointToPoint

SHORT = PointToPoint(messages=500)


def test_students_interval_of_a_known_sample() -> None:
    """t(4, 0.975) = 2.776445 (Student's table), s = 1.581139, n = 5."""
    found = interval([1, 2, 3, 4, 5])
    assert found.mean == 3
    assert found.half_width == pytest.approx(2.776445 * 1.581139 / np.sqrt(5), rel=1e-6)
    assert (found.low, found.high) == (3 - found.half_width, 3 + found.half_width)
    assert interval([1, 2, 3], confidence=0.99).half_width > interval([1, 2, 3]).half_width


@pytest.mark.parametrize("confidence", [0, 1, -0.5, 95, float("nan")])
def test_confidence_lies_between_0_and_1(confidence: float) -> None:
    with pytest.raises(ValueError, match="confidence must lie between 0 and 1"):
        interval([1, 2], confidence)


def test_one_value_has_no_interval() -> None:
    with pytest.raises(ValueError, match="at least 2 values, got 1"):
        interval([1.0])


def test_a_row_per_replication_whatever_the_number_of_processes() -> None:
    serial, parallel = replicate(SHORT, 6, seed=3), replicate(SHORT, 6, seed=3, n_jobs=2)
    assert len(serial) == 6
    assert serial.table.equals(parallel.table)
    assert serial.table.index.is_unique


def test_more_replications_begin_with_the_same_ones() -> None:
    few, more = replicate(SHORT, 3, seed=3).table, replicate(SHORT, 6, seed=3).table
    assert more.iloc[:3].equals(few)
    assert replicate(SHORT, 3, seed=4).table.index.isin(few.index).sum() == 0


def test_an_unknown_metric_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(KeyError, match="no metric 'latency'; there are throughput, latency_mean"):
        replicate(SHORT, 2)["latency"]


@pytest.mark.parametrize("replications", [0, -1, 2.5, True])
def test_a_bad_number_of_replications_is_refused(replications: object) -> None:
    with pytest.raises(ValueError, match="replications must be a whole number >= 1"):
        replicate(SHORT, replications)  # type: ignore[arg-type]


def test_a_comparison_is_of_pairs() -> None:
    a, b = SHORT, SHORT.replace(consumers=2)
    pairs = compare(a, b, replications=8, seed=5)
    differences = replicate(b, 8, seed=5)["latency_mean"] - replicate(a, 8, seed=5)["latency_mean"]
    assert pairs.interval("latency_mean") == interval(differences)
    assert pairs.interval("latency_mean").high < 0  # another consumer helps, run by run
    assert pairs.table.loc["latency_mean", "difference"] == pytest.approx(differences.mean())


def test_a_scenario_compared_with_itself_differs_by_exactly_nothing() -> None:
    pairs = compare(SHORT, SHORT, replications=3)
    assert pairs.interval("latency_mean") == (0, 0, 0, 0)
    assert pairs.narrowing("latency_mean") == np.inf


def test_several_scenarios_are_compared_in_pairs_with_holms_correction() -> None:
    scenarios = [SHORT, SHORT.replace(consumers=2), SHORT.replace(warmup=1)]
    found = compare(*scenarios, replications=8, seed=5).pairs("latency_mean")
    assert list(zip(found["a"], found["b"], strict=True)) == [(0, 1), (0, 2), (1, 2)]
    assert found["different"].tolist()[0] is True
    # By hand: sorted p-values times 3, 2, 1, never decreasing, at most 1.
    by_p = found.sort_values("p")
    expected = np.minimum(1, np.maximum.accumulate(by_p["p"].to_numpy() * [3, 2, 1]))
    assert by_p["p_holm"].to_numpy() == pytest.approx(expected)


def test_p_of_a_paired_t_test() -> None:
    """R: t.test(c(1, 2, 3, 4, 6), mu = 0) gives t = 3.7210, p = 0.020476."""
    base = replicate(SHORT, 5)
    shifted = base.table.assign(latency_mean=base.table["latency_mean"] + [1.0, 2, 3, 4, 6])
    pairs = Comparison((base, Replications(SHORT, shifted))).pairs("latency_mean")
    assert pairs["p"][0] == pytest.approx(0.020476, abs=5e-7)


def test_a_comparison_needs_two() -> None:
    with pytest.raises(ValueError, match="2 or more scenarios, got 1"):
        compare(SHORT)
