"""Replications, intervals and paired comparisons."""

import warnings

import numpy as np
import pytest

from simlib import Exponential, Replay, Trace
from simlib.analysis import (
    Comparison,
    DoubtWarning,
    Interval,
    Replications,
    compare,
    explain,
    half_width,
    interval,
    replicate,
    snapshots,
    welch,
)
from simlib.scenarios import PointToPoint

# Short runs will do for what is tested here.
pytestmark = pytest.mark.filterwarnings("ignore::simlib.analysis.DoubtWarning")

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
    with pytest.raises(
        KeyError, match=r"no metric 'latency'; did you mean.* there are throughput, latency_mean"
    ):
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


@pytest.mark.parametrize("seed", [None, True, [1], -1, 1.5, "1"])
def test_a_seed_that_is_none_is_refused(seed: object) -> None:
    with pytest.raises(ValueError, match="seed must be a whole number >= 0, got"):
        replicate(SHORT, 2, seed=seed)  # type: ignore[arg-type]


@pytest.mark.parametrize("scenario", [PointToPoint, None, 5, "x"])
def test_what_is_no_scenario_is_refused(scenario: object) -> None:
    for call in (replicate, lambda each: compare(SHORT, each), welch, _snapshots, explain):
        with pytest.raises(TypeError, match="scenario must be one such as PointToPoint"):
            call(scenario)


def _snapshots(scenario: PointToPoint) -> object:
    return snapshots(scenario, [1.0])


def test_a_goal_is_one_of_half_width_and_about_a_figure_that_there_is() -> None:
    for until in ("x", 5, ("latency_mean", 0.1, 0.95)):
        with pytest.raises(TypeError, match="until must be made by half_width"):
            replicate(SHORT, 2, until=until)  # type: ignore[arg-type]
    with pytest.raises(KeyError, match="no metric 'nope'; there are throughput"):
        replicate(SHORT, 3, until=half_width("nope", 0.1))
    with pytest.raises(ValueError, match="most must be a whole number >= 5, got 3"):
        replicate(SHORT, 5, until=half_width("latency_mean", 0.1), most=3)


def test_a_comparison_of_runs_in_doubt_warns() -> None:
    """The truth is 12.9 s, and the interval says 1.4 ± 0.5."""
    near = SHORT.replace(load=0.95)
    pairs = compare(near, near.replace(service=Exponential(mean=1.02)), replications=10)
    calls = (
        lambda: pairs.interval("latency_mean"),
        lambda: pairs.table,
        lambda: pairs.pairs("latency_mean"),
    )
    for call in calls:
        with pytest.warns(DoubtWarning, match="scenario 0, 10 of 10 runs: short") as caught:
            call()
        assert len(caught) == 1
        assert caught[0].filename == __file__


@pytest.mark.filterwarnings("error")
def test_a_comparison_of_runs_that_can_be_trusted_does_not_warn() -> None:
    long = PointToPoint(messages=20_000)
    assert (
        compare(long, long.replace(consumers=2), replications=5).interval("latency_mean").high < 0
    )


def test_throughputs_that_differ_by_the_end_of_the_runs_only_are_in_doubt() -> None:
    """Both do all that comes, and 30 short runs show a difference nonetheless."""
    slow = PointToPoint(messages=500, service=Exponential(mean=1.0))
    pairs = compare(slow, slow.replace(service=Exponential(mean=0.6)), replications=30)
    with pytest.warns(DoubtWarning, match="end with their last messages, and that alone makes"):
        found = pairs.interval("throughput")
    assert found.low > 0
    with pytest.warns(DoubtWarning, match="end with their last messages"):
        pairs.pairs("throughput")
    overload = compare(slow.replace(load=1.5), slow.replace(load=1.5, consumers=2), replications=5)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert overload.interval("throughput").low > 0
    assert not any("end with" in str(each.message) for each in caught)


def test_places_of_a_comparison_that_are_not_there_are_refused() -> None:
    pairs = compare(SHORT, SHORT.replace(consumers=2), replications=2)
    with pytest.raises(ValueError, match="there are 2 scenarios, counted from 0, and none at 2"):
        pairs.interval("latency_mean", b=2)


@pytest.mark.parametrize(
    ("mean", "half_width", "said"),
    [
        (2386, 503, "2,390 ± 500"),
        (0.9958, 0.033, "0.996 ± 0.033"),
        (-0.00485, 0.00054, "-0.00485 ± 0.00054"),
        (1234567, 98765, "1,235,000 ± 99,000"),
        (4.953, 0.3, "4.95 ± 0.30"),
        (0.0, 2.0, "0.0 ± 2.0"),
        (5.0, 1e-15, "5 ± 1e-15"),
        (1.0, np.inf, "1 ± inf"),
        (np.nan, np.nan, "nan ± nan"),
        (2386, 0, "2,386 in every run"),
    ],
)
def test_an_interval_is_written_as_far_as_it_is_known(
    mean: float, half_width: float, said: str
) -> None:
    assert str(Interval(mean, mean - half_width, mean + half_width, half_width)) == said


def test_copies_of_one_run_are_said_to_be_that() -> None:
    recorded = PointToPoint(
        interarrival=Trace(times=[0.0, 4.0, 7.0]), service=Replay(values=[1.0, 2.0, 3.0])
    )
    runs = replicate(recorded, 5)
    with pytest.warns(DoubtWarning, match="all 5 runs are the same: nothing in them is random"):
        found = runs.interval("latency_p99")
    assert "±" not in str(found)
    assert str(found).endswith("in every run")
    assert not any("the same" in doubt for doubt in replicate(recorded, 1).doubts)
    assert "±" in str(replicate(SHORT, 3).interval("latency_p99"))
