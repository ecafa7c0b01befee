"""The map of crash points says in words what it shows."""

from __future__ import annotations

from simlib.present import crash_points, show


def test_each_step_has_a_mark_and_the_description_names_those_that_are_wrong() -> None:
    fine, wrong, waits = (
        {"broken": 0, "pending": 0},
        {"broken": 1, "pending": 0},
        {"broken": 1, "pending": 1},
    )
    ax = crash_points(
        {"one": {"begun": fine, "done": wrong}, "two": {"begun": fine, "done again": waits}}
    )
    counts = {line.get_label(): len(line.get_xdata()) for line in ax.lines}
    assert counts == {
        "all is well": 2,
        "pending for ever": 1,
        "wrong money, stock or orders": 1,
    }
    assert show(ax, "Title").alt == (
        "Title. Steps after which a crash leaves something wrong. "
        "one: 1 of 2: done; two: 1 of 2: done again."
    )


def test_where_nothing_is_wrong_no_step_is_named() -> None:
    ax = crash_points({"safe": {"only": {"broken": 0, "pending": 0}}})
    assert str(ax.get_label()).endswith("safe: 0 of 1.")
