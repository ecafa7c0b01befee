"""What a saga does not give, and the remedy of each."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from simlib.stores.anomalies import Story, dirty_read, late_action, lost_update

STORIES = {
    dirty_read: ("B was refused 50, and the customer has 100",),
    lost_update: ("shop = price × approved", "reserved = approved"),
    late_action: ("reserved = approved",),
}


@pytest.mark.parametrize("story", STORIES)
def test_each_goes_wrong_without_its_remedy_and_well_with_it(story: Callable[..., Story]) -> None:
    assert story().wrong == STORIES[story]
    assert story(remedy=True).wrong == ()


def test_what_each_was_told_last() -> None:
    assert dirty_read().told == (
        ("A", "pay 80", "done"),
        ("B", "pay 50", "refused"),
        ("A", "undo 80", "done"),
    )
    assert [answer for _, _, answer in dirty_read(remedy=True).told] == [
        *("done", "wait", "done", "done"),
    ]
    assert lost_update().told[-1] == ("saga", "approve", "done")
    assert lost_update(remedy=True).told[-1] == ("saga", "approve", "no longer pending")
    assert late_action().told[-1] == ("late", "reserve", "done")
    assert late_action(remedy=True).told[-1] == ("late", "reserve", "refused")


def test_a_story_reads_line_by_line() -> None:
    lines = str(late_action()).splitlines()
    assert lines[-1] == "at rest: reserved = approved"
    assert str(late_action(remedy=True)).endswith("all is well")
    assert len(lines) == 6
