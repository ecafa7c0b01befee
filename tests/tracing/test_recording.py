"""Spans of what really happens: timed while it runs, kept when it ends."""

from __future__ import annotations

from itertools import count
from threading import Thread
from typing import Any

import pytest

from simlib.tracing import Recorder


def goes_wrong(recorder: Recorder) -> None:
    with recorder.span("order", "shop"), recorder.span("query", "database"):
        raise KeyError


def test_spans_are_timed_by_the_clock_and_kept_as_they_end() -> None:
    ticks = count(100)
    recorder = Recorder(clock=lambda: float(next(ticks)))
    with recorder.span("order", "shop") as order:
        with recorder.span("query", "database", parent=order.context) as query:
            query.attributes["rows"] = 3
        order.outcome = "ok"
    inner, outer = recorder.spans
    assert (inner.name, inner.start, inner.end, inner.attributes) == ("query", 2, 3, {"rows": 3})
    assert (outer.name, outer.start, outer.end, outer.outcome) == ("order", 1, 4, "ok")
    assert (inner.trace_id, inner.parent_id) == (outer.trace_id, outer.span_id)
    assert outer.parent_id is None
    assert not outer.error


def test_what_raises_has_failed_and_is_kept() -> None:
    recorder = Recorder()
    with pytest.raises(KeyError):
        goes_wrong(recorder)
    assert [(span.error, span.cause) for span in recorder.spans] == 2 * [(True, "KeyError")]


def test_the_last_ones_are_kept_whatever_thread_they_are_of() -> None:
    recorder = Recorder(most=50)

    def work() -> None:
        for number in range(20):
            with recorder.span(str(number), "thread"):
                pass

    threads = [Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(recorder.spans) == 50
    assert len({span.trace_id for span in recorder.spans}) == 50


@pytest.mark.parametrize("most", [0, True, 1.5])
def test_a_bound_is_a_whole_number(most: Any) -> None:
    with pytest.raises(ValueError, match="most must be a whole number of spans from 1 on"):
        Recorder(most)
