"""Controlled delay, by hand: when it begins to drop, how fast, and how it begins again."""

from __future__ import annotations

import pytest

from simlib.resilience import CoDel, RequestCoDel


def dropping_five(queue: CoDel[str]) -> None:
    """Let it drop at 1.1, 1.2 and so on, faster each time, until 5 are gone and one old is left."""
    for _ in range(12):
        queue.put("old", now=0.0)
    looks = (1.0, 1.1, 1.199, 1.2, 1.28, 1.33, 1.38)
    assert [len(queue.get(now).dropped) for now in looks[:2]] == [0, 1]
    queue.put("old", now=0.0)
    assert [len(queue.get(now).dropped) for now in looks[2:]] == [0, 1, 1, 1, 1]
    for _ in range(30):
        queue.put("fresh", now=1.39)
    assert queue.get(now=1.39) == ("old", ())  # the next was due at 1.4231
    assert queue.get(now=1.392) == ("fresh", ())  # a short wait: it stops


def test_soon_after_it_goes_on_at_the_rate_it_had() -> None:
    queue: CoDel[str] = CoDel(target=0.005, interval=0.1)
    dropping_five(queue)
    looks = (1.4, 1.499, 1.5, 1.549, 1.551)  # as if three had gone before: 0.1/√4
    assert [len(queue.get(now).dropped) for now in looks] == [0, 0, 1, 0, 1]


def test_long_after_it_begins_slowly_again() -> None:
    queue: CoDel[str] = CoDel(target=0.005, interval=0.1)
    dropping_five(queue)
    looks = (3.4, 3.499, 3.5, 3.551, 3.599, 3.6)
    assert [len(queue.get(now).dropped) for now in looks] == [0, 0, 1, 0, 0, 1]


def test_a_large_backlog_is_dropped_several_at_a_look() -> None:
    queue: CoDel[int] = CoDel(target=0.005, interval=0.1)
    for number in range(40):
        queue.put(number, now=0.0)
    assert queue.get(now=1.0).item == 0
    assert queue.get(now=1.1) == (2, (1,))
    # Due since then: 1.2, 1.2707, 1.3284, 1.3784.
    assert queue.get(now=1.4) == (7, (3, 4, 5, 6))


def test_the_last_one_is_served_however_long_it_waited() -> None:
    queue: CoDel[int] = CoDel(target=0.005, interval=0.1)
    for number in range(4):
        queue.put(number, now=0.0)
    assert queue.get(now=1.0) == (0, ())
    assert queue.get(now=2.0) == (2, (1,))
    assert queue.get(now=9.0) == (3, ())
    assert queue.get(now=9.0) == (None, ())


@pytest.mark.parametrize(("stood", "served"), [(0.1, "new"), (0.101, None)])
def test_a_request_may_wait_less_where_the_queue_stands(stood: float, served: str | None) -> None:
    queue: RequestCoDel[str] = RequestCoDel(target=0.005, interval=0.1)
    queue.put("first", now=0.0)
    queue.put("new", now=stood)
    assert queue.get(now=stood + 0.05).item == served


def test_a_queue_that_was_empty_is_no_standing_queue() -> None:
    queue: RequestCoDel[str] = RequestCoDel(target=0.005, interval=0.1)
    for start in (0.0, 0.2, 0.4):
        queue.put("burst", now=start)
        queue.put("burst", now=start)
        assert queue.get(now=start + 0.1) == queue.get(now=start + 0.1) == ("burst", ())
    assert len(queue) == 0
