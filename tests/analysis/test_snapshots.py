"""Numbers in the system at given instants, held against the exact transient of M/M/1."""

import numpy as np
import pytest

from simlib import Outage
from simlib.analysis import snapshots
from simlib.scenarios import PointToPoint, SyncVsAsync
from simlib.theory import mm1_transient

QUEUE = PointToPoint(duration=200.0)

DOWN = Outage(of="service", start=2, duration=3)


@pytest.mark.parametrize(
    "scenario",
    [
        PointToPoint(messages=500, capacity=2),
        SyncVsAsync(messages=500, mode="async", outages=(DOWN,)),
        SyncVsAsync(messages=500, mode="sync", outages=(DOWN,)),
    ],
)
def test_a_snapshot_is_what_the_series_says(scenario) -> None:
    result = scenario.run(1)
    series = result.series["in_system"]
    times = np.linspace(0, result.duration, 101)
    assert result.in_system_at(times).tolist() == series.asof(times).tolist()
    assert result.in_system_at(series.index).tolist() == series.tolist()


@pytest.mark.parametrize("load", [0.8, 1.0, 1.2])
def test_the_mean_is_that_of_theory(load: float) -> None:
    """400 runs; 4 standard errors, so that one test of 9 numbers in 1,700 would fail by chance."""
    times = [20.0, 60.0, 200.0]
    table = snapshots(QUEUE.replace(load=load), times, 400)
    exact = np.array([mm1_transient(load, 1.0, time).L for time in times])
    error = (table["in_system_mean_high"] - table["in_system_mean"]) / 1.966  # t(399, 0.975)
    assert (abs(table["in_system_mean"] - exact) < 4 * error).all()
    assert table["time"].tolist() == times


def test_the_numbers_do_not_depend_on_the_processes() -> None:
    one, two = (snapshots(QUEUE, [10, 100], 4, n_jobs=jobs) for jobs in (1, 2))
    assert one.equals(two)


@pytest.mark.parametrize("time", [-1.0, 200.5, float("nan")])
def test_instants_outside_the_run_are_refused(time: float) -> None:
    with pytest.raises(
        ValueError, match=f"between 0 s and the end of the run at 200 s, got {time:g}"
    ):
        snapshots(QUEUE, [10.0, time], 2)
