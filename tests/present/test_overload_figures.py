"""What somebody on call sees of a run, and what is said of it."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from simlib import Outage
from simlib.present import axes, dashboard, panel, rates_over_time, show
from simlib.scenarios import Overload

HANG = Outage(of="service", kind="hang", start=3.0, duration=2.0)


@pytest.fixture(scope="module")
def overload() -> Overload:
    return Overload(duration=8.0, outages=(HANG,))


def test_a_dashboard_shows_four_things_and_says_so(overload: Overload) -> None:
    results = {"retries": overload.run(1), "none": overload.replace(retries=0).run(1)}
    drawn = dashboard(results)
    figure = drawn.get_figure(root=True)
    assert isinstance(figure, Figure)
    assert len(figure.axes) == 4
    assert all(len(ax.lines) == 2 for ax in figure.axes)
    attempts = np.asarray(figure.axes[1].lines[0].get_ydata(), float)
    assert attempts[6] > 1_000  # Calls that fail are tried four times.
    alt = show(drawn, "Down").alt
    assert alt.startswith("Down. Answered in time (%) over time. retries: 100 at first, 0 at the")
    assert "Waiting for a worker over time" in alt


def test_rates_are_lines_on_axes_of_others(overload: Overload) -> None:
    ax = axes()
    assert isinstance(ax, Axes)
    assert rates_over_time({"run": overload.run(1)}, ax) is ax
    assert [line.get_label() for line in ax.lines] == [
        "attempts",
        "calls made",
        "calls answered in time",
    ]
    rates_over_time({"a": overload.run(1), "b": overload.run(2)}, ax)
    assert "a: attempts" in [line.get_label() for line in ax.lines]


def test_a_panel_moves_it(overload: Overload) -> None:
    trial = panel(overload, {"retries": (0, 3, 1)}, draw=rates_over_time, table=["goodput"])
    before = trial.alt
    trial.set(retries=0)
    assert trial.error is None
    assert trial.alt != before
    assert "calls answered in time" in trial.table.value
