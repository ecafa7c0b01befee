"""What is written down of a run: attempts as rows, ledgers that add up."""

from __future__ import annotations

from array import array
from math import isnan, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simlib.processes import Ledger, LedgerError, Record
from simlib.processes.attempts import DONE, FAILED, Attempts

ACCOUNTS = ("acked", "ready", "unacked", "dead_lettered", "expired", "dropped", "lost")
LEDGERS = st.lists(st.integers(0, 100), min_size=7, max_size=7).map(
    lambda counts: Ledger(published=sum(counts), **dict(zip(ACCOUNTS, counts, strict=True)))
)


@given(a=LEDGERS, b=LEDGERS, c=LEDGERS)
def test_ledgers_of_parts_add_up_in_any_order(a: Ledger, b: Ledger, c: Ledger) -> None:
    assert (a + b) + c == c + (b + a)
    assert sum([b, c], a) == a + b + c
    assert (a + b).unfinished == a.ready + a.unacked + b.ready + b.unacked


def test_a_ledger_adds_nothing_but_ledgers() -> None:
    with pytest.raises(TypeError):
        Ledger(published=0) + 1
    with pytest.raises(LedgerError):
        Ledger(published=1)


def test_an_instant_that_nobody_tells_apart_is_asked_in_one_place() -> None:
    record = Record()
    record.prepare(2)
    assert record.column("delivered") is record.started
    assert record.column("acked") is record.column("left") is record.finished
    record.add("delivered")
    assert record.column("delivered") is record.extra["delivered"]
    assert list(record.columns) == ["created", "enqueued", "started", "finished", "delivered"]


def test_attempts_are_counted_by_what_became_of_them() -> None:
    record = Record()
    record.prepare(3)
    # The first was delivered three times, and done twice; the second failed once and is waiting.
    record.attempts.add(0, 1.0, 1.0, 2.0, outcome=DONE, cause="ack lost")
    record.attempts.add(0, 3.0, nan, nan, 4.0, by=2)
    record.attempts.add(1, 1.0, 1.0, 2.0, outcome=FAILED)
    record.started[0], record.finished[0] = 5.0, 6.0
    assert record.redelivered() == 2
    assert record.redone() == 1
    assert list(record.attempts.released) == [2.0, 4.0, 2.0]
    assert list(record.attempts.by) == [-1, 2, -1]
    assert record.attempts.released_last(0) == 4.0
    assert isnan(record.attempts.released_last(2))


def test_a_row_keeps_its_number_and_may_be_ended_later() -> None:
    attempts = Attempts()
    row = attempts.add(7, 1.0, 1.0, nan, 2.0)
    attempts.end[row] = 3.0
    together = Attempts()
    together.extend(attempts, first=100, by=1)
    assert (together.message, together.by) == (array("q", [107]), array("q", [1]))
    assert (together.end, together.outcome) == (array("d", [3.0]), ["interrupted"])
