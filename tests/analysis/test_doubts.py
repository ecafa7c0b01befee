"""When not to trust a run."""

import numpy as np
import pytest

from simlib.analysis import DoubtWarning, half_width, mser5, replicate, welch
from simlib.scenarios import ApiStyles, Hedging, PointToPoint

MM1 = PointToPoint(messages=20_000, warmup=500)


def test_a_long_stable_run_raises_no_doubt() -> None:
    assert MM1.replace(load=0.5).run(1).doubts() == ()


@pytest.mark.parametrize(
    ("scenario", "said"),
    [
        (MM1.replace(load=0.95), "short for a load of 0.95"),
        (MM1.replace(load=1.1), "at a load of 1.1 there is no steady state"),
        (PointToPoint(duration=2_000.0).replace(load=1.5), "still in the system at the end"),
        (MM1.replace(load=1.2), "the latency was not settled"),
    ],
)
def test_a_run_that_cannot_be_trusted_says_why(scenario: PointToPoint, said: str) -> None:
    assert any(said in doubt for doubt in scenario.run(1).doubts())


def test_a_bounded_queue_settles_at_any_load() -> None:
    assert not any("steady" in each for each in MM1.replace(load=1.2, capacity=5).run(1).doubts())


def test_many_short_runs_make_up_for_their_length_but_not_for_their_beginning() -> None:
    assert replicate(MM1.replace(messages=3_000), 20).doubts == ()
    assert "20 of 20 runs: short" in replicate(MM1.replace(load=0.95, messages=3_000), 20).doubts[0]


def test_an_interval_in_doubt_warns() -> None:
    runs = replicate(PointToPoint(messages=100), 5)
    with pytest.warns(DoubtWarning, match="5 of 5 runs: short for a load of 0.8"):
        runs.interval("latency_mean")


def test_what_a_scenario_doubts_of_itself_is_said_with_each_run_and_each_average() -> None:
    hedging = Hedging(messages=3_000, hedge_after=0.1, cancel=False).replace(load=0.6)
    said = "copies that nobody cancels may double the load of 0.6"
    assert any(each.startswith(said) for each in hedging.run(1).doubts())
    assert any(said in each for each in replicate(hedging, 3).doubts)
    assert PointToPoint(messages=10).doubted() == []


def test_what_never_settles_is_not_asked_whether_it_has() -> None:
    page = ApiStyles(batched=False, parallel=1, orders=100)
    latency = page.run().latency
    assert mser5(latency) > len(latency) / 3
    assert page.run().doubts() == ()


def test_mser5_finds_where_a_series_settles() -> None:
    rng = np.random.default_rng(1)
    series = rng.normal(10, 1, 2_000)
    series[:200] += np.linspace(30, 0, 200)
    assert 120 <= mser5(series) <= 230
    assert mser5(rng.normal(10, 1, 2_000)) < 200


def test_mser5_by_its_definition() -> None:
    series = np.random.default_rng(2).exponential(1, 200)
    means = series.reshape(-1, 5).mean(axis=1)
    wanted = [np.sum((means[d:] - means[d:].mean()) ** 2) / (40 - d) ** 2 for d in range(21)]
    assert mser5(series) == 5 * np.argmin(wanted)


def test_a_series_too_short_for_mser5_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 10"):
        mser5([1.0] * 9)


def test_replications_are_added_until_the_interval_is_narrow() -> None:
    goal = half_width("latency_mean", 0.03)
    runs = replicate(MM1, 5, seed=4, until=goal)
    found = runs.interval("latency_mean")
    assert len(runs) > 5
    assert found.half_width <= 0.03 * found.mean
    fewer = replicate(MM1, len(runs) - 11, seed=4).interval("latency_mean")
    assert fewer.half_width > 0.03 * fewer.mean or len(runs) < 17


def test_giving_up_is_said() -> None:
    runs = replicate(MM1, 3, until=half_width("latency_mean", 1e-6), most=7)
    assert len(runs) == 7
    assert "gave up on latency_mean ± 0.0001 % after 7 replications" in runs.doubts[0]


def test_welchs_average_climbs_to_the_steady_state() -> None:
    """100 runs of M/M/1 at 0.8 from empty: the mean latency is 1 s at first, and 5 s in the end."""
    table = welch(PointToPoint(messages=2_000), 100, window=50)
    assert len(table) == 2_000
    assert table["mean"][0] == pytest.approx(1.0, abs=0.4)  # four standard errors of 0.1 s
    assert table["smooth"].iloc[-500:].mean() == pytest.approx(5.0, abs=1.0)
    assert table["smooth"][60] < table["smooth"].iloc[-500:].mean()
    assert table["smooth"][0] == table["mean"][0]
    assert table["smooth"][2] == pytest.approx(table["mean"][0:5].mean())
    assert table["smooth"][100] == pytest.approx(table["mean"][50:151].mean())


@pytest.mark.parametrize(("relative", "confidence"), [(0, 0.95), (-1, 0.95), (0.1, 1), (0.1, 0)])
def test_a_goal_that_makes_no_sense_is_refused(relative: float, confidence: float) -> None:
    with pytest.raises(ValueError, match="must"):
        half_width("latency_mean", relative, confidence)
