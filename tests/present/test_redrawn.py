"""One picture drawn on again and again: what stays of a run, and what does not."""

from collections.abc import Mapping

import pytest
from matplotlib.axes import Axes

from simlib.analysis import Result
from simlib.present import latencies, lost_and_doubled, queue_over_time
from simlib.present.redrawn import BEFORE, GREY, Draw, Redrawn
from simlib.scenarios import DeliveryGuarantees, PointToPoint

LOADS = [(300, 0.5), (300, 1.5), (20, 0.3), (3000, 1.2), (1, 1.0)]

RUNS = [
    {"run": PointToPoint(messages=messages).replace(load=load).run(seed)}
    for seed, (messages, load) in enumerate(
        [(300, 0.5), (300, 1.5), (20, 0.3), (3000, 1.2), (1, 1)]
    )
]

PAYMENTS = [
    {"run": DeliveryGuarantees(messages=messages, ack_lost=ack_lost).run(1)}
    for messages, ack_lost in [(100, 0.5), (100, 0.0), (2000, 0.5), (10, 0.0)]
]


def waits(results: Mapping[str, Result], ax: Axes) -> Axes:
    return latencies({name: result.latency for name, result in results.items()}, ax)


@pytest.mark.parametrize(
    ("draw", "runs"),
    [(queue_over_time, RUNS), (waits, RUNS), (lost_and_doubled, PAYMENTS)],
)
def test_nothing_is_cut_off_whatever_was_drawn_before(
    draw: Draw, runs: list[dict[str, Result]]
) -> None:
    drawing = Redrawn(draw)
    for results in (*runs, *reversed(runs)):
        figure = drawing.show(results).figure
        figure.draw_without_rendering()
        around = figure.axes[0].get_tightbbox()
        assert around.x0 >= 0
        assert around.y0 >= 0
        assert around.x1 <= figure.bbox.width
        assert around.y1 <= figure.bbox.height


def test_the_run_before_is_there_once_and_older_ones_are_gone() -> None:
    drawing = Redrawn(queue_over_time)
    for place, results in enumerate(RUNS):
        ax = drawing.show(results).figure.axes[0]
        grey = [line for line in ax.lines if line.get_color() == GREY]
        assert len(grey) == (place > 0)
        assert len(ax.lines) == len(grey) + 1
        before = [text.get_text() for text in ax.get_legend().get_texts()] if grey else []
        assert before.count(BEFORE) == len(grey)


def test_limits_hold_both_runs_and_no_older_one() -> None:
    drawing = Redrawn(queue_over_time)
    alone = [Redrawn(queue_over_time).show(run).figure.axes[0].get_ylim()[1] for run in RUNS]
    for place, results in enumerate(RUNS):
        top = drawing.show(results).figure.axes[0].get_ylim()[1]
        assert top == pytest.approx(max(alone[max(0, place - 1) : place + 1]))


def test_what_a_drawing_adds_only_now_and_then_does_not_stay() -> None:
    def draw(results: Mapping[str, Result], ax: Axes) -> None:
        queue_over_time(results, ax)
        if results["run"].summary()["queue_max"] > 50:
            ax.set_title("Too much", loc="left")
            ax.twinx().plot([0, 1], [0, 1])

    drawing = Redrawn(draw)
    busy, calm = RUNS[1], RUNS[2]
    assert len(drawing.show(busy).figure.axes) == 2
    figure = drawing.show(calm).figure
    assert len(figure.axes) == 1
    assert figure.axes[0].get_title("left") == ""


def test_a_drawing_that_fails_leaves_nothing_behind() -> None:
    def draw(results: Mapping[str, Result], ax: Axes) -> None:
        queue_over_time(results, ax)
        if results is RUNS[1]:
            raise RuntimeError("no")

    drawing = Redrawn(draw)
    drawing.show(RUNS[0])
    with pytest.raises(RuntimeError):
        drawing.show(RUNS[1])
    assert drawing.picture is None
    picture = drawing.show(RUNS[2])
    assert len(picture.figure.axes[0].lines) == 1
    assert "In grey" not in picture.alt
