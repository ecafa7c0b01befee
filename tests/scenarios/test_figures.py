"""Every figure of a summary has a name for people, declared beside its scenario."""

from __future__ import annotations

import pandas as pd
import pytest

from simlib.analysis import Metric
from simlib.analysis.metrics import shown_as
from simlib.present import figures_over, panel
from simlib.scenarios import (
    ApiStyles,
    Calling,
    ClosedLoop,
    Composition,
    Consistency,
    DeliveryGuarantees,
    EventDriven,
    Hedging,
    Overload,
    Pipeline,
    PointToPoint,
    PublishSubscribe,
    Scenario,
    SyncVsAsync,
    Topology,
)

SCENARIOS = [
    PointToPoint(messages=50, priorities=(0.5, 0.5)),
    SyncVsAsync(messages=50),
    Calling(messages=50),
    ClosedLoop(messages=50),
    ApiStyles(),
    Composition(messages=50),
    Hedging(messages=50),
    Overload(messages=50),
    Pipeline(messages=50),
    DeliveryGuarantees(messages=50),
    PublishSubscribe(messages=50),
    Topology(messages=50),
    EventDriven(messages=50),
    Consistency(messages=50),
]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda each: type(each).__name__)
def test_every_figure_has_a_label_and_each_declared_one_is_there(scenario: Scenario) -> None:
    names = list(scenario.run().summary().index)
    for name in names:
        assert shown_as(name, scenario.figures) != Metric(name), name
    for name in scenario.figures:
        assert name in names or name.replace("#", "1") in names


def test_one_of_several_is_called_by_its_number() -> None:
    shown = shown_as("latency_mean_12", PublishSubscribe.figures)
    assert shown == Metric("latency of subscriber 12, mean", "s")
    assert shown_as("latency_mean_x", PublishSubscribe.figures) == Metric("latency_mean_x")


def test_a_figure_that_nobody_declared_is_called_as_it_is() -> None:
    assert shown_as("speed_1", PublishSubscribe.figures) == Metric("speed_1")
    assert Metric("speed").written(0.25) == "0.250"


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (8, "1/s", "8 per second"),
        (31.94, "1/s", "31.9 per second"),
        (0.0417, "s", "41.7 ms"),
        (0.25, "%", "25 %"),
        (1, "messages", "1 message"),
        (1234.5, "s", "1,234 s"),
    ],
)
def test_a_figure_is_written_as_people_write_it(value: float, unit: str, said: str) -> None:
    assert Metric("so much", unit).written(value) == said


def test_a_table_calls_a_figure_what_the_one_scenario_does_that_has_it() -> None:
    table = pd.DataFrame({"load": [0.5, 0.9], "missing": [1.0, 2.0], "attempts": [1.0, 2.0]})
    assert figures_over(table, "load", "missing").get_label().startswith("Never booked over load")
    # Two scenarios mean different things by it, and a table doesn't say whose it is.
    assert figures_over(table, "load", "attempts").get_label().startswith("Attempts over load")


def test_a_panel_shows_the_figures_of_its_scenario() -> None:
    shown = panel(PublishSubscribe, ["prefetch"], table=["latency_mean_1"], messages=50)
    assert "latency of subscriber 1, mean" in shown.table.value


def test_the_documentation_lists_the_figures() -> None:
    assert "Figures\n-------\n" in (PublishSubscribe.__doc__ or "")
    assert "never booked" in (DeliveryGuarantees.__doc__ or "")
    assert "Figures\n" not in (ClosedLoop.__doc__ or "")
