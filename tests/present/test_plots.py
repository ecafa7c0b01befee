"""Pictures: what is drawn, and what is said of it."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes

from simlib.analysis import interval, welch
from simlib.costs import CostProfile
from simlib.live.threads import ThreadedRun
from simlib.present import (
    COLOURS,
    axes,
    coverage,
    figures_over,
    latencies,
    latency_over_time,
    lost_and_doubled,
    measured_over_time,
    measured_ratios,
    operation_costs,
    queue_over_time,
    show,
    warm_up,
    waterfall,
    who_waits,
)
from simlib.scenarios import ApiStyles, DeliveryGuarantees, PointToPoint, SyncVsAsync

RESULTS = {
    "call": SyncVsAsync(messages=400).run(1),
    "queue": SyncVsAsync(messages=400, mode="async").run(1),
}
MEASURED = ThreadedRun(
    **dict.fromkeys(("created", "enqueued", "started", "finished"), np.array([0.0, 1.0])),
    consumer=np.array([0, 0]),
    sampled=np.array([0.0, 1.0, 2.0]),
    ready=np.array([0, 4, 0]),
    unacked=np.array([0, 1, 1]),
    consumers=1,
)
COSTS = CostProfile.shipped().costs
TABLE = pd.DataFrame(
    {
        "load": [0.5, 0.9],
        "latency_mean": [0.2, 1.0],
        "latency_mean_low": [0.1, 0.7],
        "latency_mean_high": [0.3, 1.3],
    }
)
RATIOS = pd.DataFrame(
    {
        "target": ["memory", "sqlite", "sqlite"],
        "model": ["side by side", "side by side", "one lock"],
        "ratio": [1.1, 0.5, 0.9],
        "least": [1.0, 0.4, 0.8],
        "most": [1.3, 0.6, 1.0],
    }
)
DRAWINGS = {
    "queue_over_time": lambda ax: queue_over_time(RESULTS, ax),
    "latency_over_time": lambda ax: latency_over_time(RESULTS, ax),
    "who_waits": lambda ax: who_waits(RESULTS, ax),
    "measured_over_time": lambda ax: measured_over_time(MEASURED, RESULTS["queue"], ax),
    "measured_ratios": lambda ax: measured_ratios(RATIOS, 0.25, ax),
    "latencies": lambda ax: latencies({"one": [1.0, 2.0, np.nan, 3.0]}, ax),
    "operation_costs": lambda ax: operation_costs(COSTS, COSTS, ax),
    "figures_over": lambda ax: figures_over(TABLE, "load", "latency_mean", ax=ax),
    "waterfall": lambda ax: waterfall({"page": ApiStyles(orders=2).run()}, ax),
}

each_drawing = pytest.mark.parametrize("draw", DRAWINGS.values(), ids=DRAWINGS.keys())


@each_drawing
def test_draws_on_the_axes_it_is_given(draw) -> None:
    ax = axes()
    assert draw(ax) is ax
    assert ax.has_data()


@each_drawing
def test_makes_axes_of_its_own_without_pyplot(draw) -> None:
    assert isinstance(draw(None), Axes)


@each_drawing
def test_says_what_is_to_be_seen_and_labels_both_axes_with_units(draw) -> None:
    ax = draw(None)
    assert any(character.isdigit() for character in ax.get_label())
    assert ax.get_ylabel()
    assert ax.get_xlabel()
    assert show(ax, "A finding").alt.startswith("A finding. ")


def test_a_picture_is_html_with_its_words() -> None:
    picture = show(queue_over_time(RESULTS), 'More & "more"')
    html = picture._repr_html_()
    assert 'alt="More &amp; &quot;more&quot;.' in html
    assert picture.png.startswith(b"\x89PNG")
    assert show(queue_over_time(RESULTS), 'More & "more"')._repr_html_() == html


def test_intervals_that_miss_are_told_from_those_that_cover() -> None:
    found = [interval([1.0, 2.0, 3.0]), interval([5.0, 5.1, 5.2]), interval([1.9, 2.0, 2.2])]
    ax = coverage(found, 2.0)
    assert ax.get_label() == "2 of 3 intervals cover the truth, 2 s."
    drawn = [container.lines[0].get_xdata().tolist() for container in ax.containers]
    assert [len(each) for each in drawn] == [2, 1]


def test_a_warm_up_shows_means_and_their_moving_average() -> None:
    ax = warm_up(welch(PointToPoint(messages=500), 5), truth=5.0)
    assert len(ax.lines) == 3


def test_the_words_are_those_of_the_data() -> None:
    ax = figures_over(TABLE, "load", "latency_mean")
    assert "200 ms at 0.5, 1 s at 0.9" in ax.get_label()
    ax = figures_over(
        TABLE, "load", "latency_mean", xlabel="orders (1/s)", ylabel="time per order (s)"
    )
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("orders (1/s)", "time per order (s)")
    assert ax.get_label().startswith("Time per order over orders (1/s). simulated: 200 ms at 0.5")
    said = latencies({"one": [1.0, 2.0, 3.0]}).get_label()
    assert "one: median 2 s" in said


def test_costs_are_bars_and_those_of_another_machine_marks_where_there_is_a_bar() -> None:
    measured = [each for each in COSTS if each.queue == "file" and each.sync == "always"]
    ax = operation_costs(measured, COSTS)
    put, get, ack = (bars[0].get_height() for bars in ax.containers)
    assert (put, get, ack) == tuple(
        each.mean
        for operation in ("put", "get", "ack")
        for each in measured
        if each.batch_size == 1 and each.operation == operation
    )
    assert ax.lines[0].get_ydata().tolist() == [put, get, ack]
    assert ax.get_yscale() == "log"
    assert ax.get_label().endswith("A put: file always 121 µs.")
    assert not operation_costs(measured).lines


def test_what_is_lost_goes_to_the_left_and_what_is_doubled_to_the_right() -> None:
    payments = DeliveryGuarantees(messages=300)
    careless = payments.replace(semantics="at most once", confirms=False, crashing=0.1)
    runs = {
        "lost": careless.run(1),
        "doubled": payments.replace(ack_lost=0.2).run(1),
        "right": payments.run(1),
    }
    ax = lost_and_doubled(runs)
    missing, surplus = (
        [bar.get_width() for container in ax.containers[start::2] for bar in container]
        for start in (0, 1)
    )
    lost, doubled = runs["lost"].summary(), runs["doubled"].summary()
    assert missing == [-lost["missing"], 0, 0]
    assert surplus == [0, doubled["surplus"], 0]
    label = ax.get_label()
    assert f"lost: {lost['missing']:.0f} never booked, 0 booked too often" in label
    assert f"money wrong by +{doubled['money_wrong']:,.0f}" in label
    assert "right: 0 never booked, 0 booked too often, money right" in label


def test_latencies_of_a_result_are_those_of_its_messages() -> None:
    call = RESULTS["call"]
    assert latencies({"call": call}).get_label() == latencies({"call": call.latency}).get_label()


def test_a_waterfall_has_a_line_for_each_request_and_for_how_long_it_waited() -> None:
    page = ApiStyles(batched=False, parallel=1, orders=3).run()
    ax = waterfall({"page": page, "batched": ApiStyles(orders=3).run()})
    waiting, asking, *_ = ax.collections
    lines = [each.get_segments() for each in (waiting, asking)]
    rows = page.messages
    for place, row in rows.iterrows():
        waited, asked = (segments[place] for segments in lines)
        assert waited[:, 0].tolist() == [row["created"], row["started"]]
        assert asked[:, 0].tolist() == [row["started"], row["finished"]]
        assert set(asked[:, 1]) == {place}
    assert "page: requests 7, rounds 7, done after" in ax.get_label()
    assert "batched: requests 3, rounds 2, done after" in ax.get_label()
    assert [each.get_text() for each in ax.get_yticklabels()] == ["page", "batched"]


def test_a_measured_run_counts_what_waits_and_what_is_in_flight() -> None:
    ax = measured_over_time(MEASURED)
    assert ax.lines[0].get_ydata().tolist() == [0, 5, 1]
    assert "measured on this machine: at most 5" in ax.get_label()
    assert ax.get_legend() is None


def test_a_long_run_is_drawn_with_few_points_that_keep_its_peaks() -> None:
    result = PointToPoint(messages=20_000).run(1)
    line = queue_over_time({"run": result}).lines[0]
    assert len(line.get_xdata()) <= 1000
    assert max(line.get_ydata()) == result.series["in_system"].max()


def test_the_fall_after_the_last_arrival_is_not_shown_as_a_recovery() -> None:
    overload = PointToPoint(messages=2_000).replace(load=1.2)
    result = overload.run(1)
    ax = queue_over_time({"run": result})
    (shade,) = ax.patches
    assert shade.get_x() == result.columns["created"][-1]
    assert shade.get_x() + shade.get_width() == result.duration
    assert "nothing arrives after 1,6" in ax.get_label()
    ends_with_them = overload.replace(messages=None, duration=1_000).run(1)
    assert not queue_over_time({"run": ends_with_them}).patches


def test_colours_differ_in_lightness_too() -> None:
    lightness = sorted(
        sum(w * int(c[i : i + 2], 16) for i, w in ((1, 0.2126), (3, 0.7152), (5, 0.0722)))
        for c in COLOURS[:4]
    )
    assert min(np.diff(lightness)) > 2


def test_pyplot_is_never_imported() -> None:
    code = "import simlib.present, sys; print('matplotlib.pyplot' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
