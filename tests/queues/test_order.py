"""Which message is next: first in first out, priorities, delays, several at a time."""

from __future__ import annotations

import time
from contextlib import suppress
from math import inf
from typing import Any

import pytest

from simlib.queues import Empty, Full


def bodies(q: Any, most: int = 100) -> list[bytes]:
    return [message.body for message in q.get_many(most)]


def test_messages_come_in_the_order_of_their_puts(make_queue: Any) -> None:
    q = make_queue()
    for number in range(50):
        assert q.put(b"%d" % number) == number + 1
    messages = [q.get() for _ in range(50)]
    assert [message.body for message in messages] == [b"%d" % number for number in range(50)]
    assert [message.id for message in messages] == list(range(1, 51))
    assert {message.attempts for message in messages} == {1}
    assert not any(message.redelivered for message in messages)


def test_the_larger_priority_goes_first_and_equal_ones_keep_their_order(make_queue: Any) -> None:
    q = make_queue()
    for body, priority in [(b"a0", 0), (b"b9", 9), (b"c0", 0), (b"d-1", -1), (b"e9", 9)]:
        q.put(body, priority=priority)
    assert bodies(q) == [b"b9", b"e9", b"a0", b"c0", b"d-1"]


def test_a_message_with_headers_keeps_its_place_among_those_without(make_queue: Any) -> None:
    q = make_queue()
    q.put(b"1")
    q.put(b"2", headers={"type": "order"})
    q.put(b"3")
    assert bodies(q) == [b"1", b"2", b"3"]


@pytest.mark.parametrize("priority", [0.5, "high", None, True])
def test_a_priority_that_is_no_whole_number_is_refused(make_queue: Any, priority: Any) -> None:
    q = make_queue()
    with pytest.raises(TypeError, match="priority"):
        q.put(b"", priority=priority)
    assert q.empty()


def test_a_delayed_message_is_ready_when_its_delay_is_over(make_queue: Any, clock: Any) -> None:
    q = make_queue(clock=clock)
    q.put(b"later", delay=2.0)
    assert (q.qsize(), q.delayed) == (0, 1)
    assert q.due_in() == 2.0
    clock.advance(1.75)
    with pytest.raises(Empty):
        q.get(block=False)
    assert q.due_in() == 0.25
    clock.advance(0.25)
    assert (q.qsize(), q.delayed) == (1, 0)
    assert q.get(block=False).body == b"later"
    assert q.due_in() == inf


def test_delays_end_in_their_own_order(make_queue: Any, clock: Any) -> None:
    q = make_queue(clock=clock)
    for body, delay in [(b"3", 3.0), (b"1", 1.0), (b"2", 2.0)]:
        q.put(body, delay=delay)
    seen = []
    for _ in range(3):
        clock.advance(1.0)
        seen += bodies(q)
    assert seen == [b"1", b"2", b"3"]


def test_what_is_due_takes_the_place_of_its_put(make_queue: Any, clock: Any) -> None:
    q = make_queue(clock=clock)
    q.put(b"first, delayed", delay=1.0)
    q.put(b"second")
    q.put(b"urgent, delayed", delay=1.0, priority=1)
    clock.advance(1.0)
    assert bodies(q) == [b"urgent, delayed", b"first, delayed", b"second"]


def test_a_waiting_get_wakes_up_when_a_delay_is_over(make_queue: Any, background: Any) -> None:
    q = make_queue()
    q.put(b"soon", delay=0.05)
    assert background(q.get).outcome().body == b"soon"


def test_a_get_that_waits_already_is_told_of_a_delayed_put(
    make_queue: Any, background: Any
) -> None:
    q = make_queue()
    getter = background(q.get)
    q.put(b"soon", delay=0.05)
    assert getter.outcome().body == b"soon"


def test_a_get_that_gives_up_leaves_the_end_of_a_delay_to_the_others(
    make_queue: Any, background: Any
) -> None:
    q = make_queue()
    early = background(q.get, timeout=0.2)
    time.sleep(0.05)
    late = background(q.get)
    time.sleep(0.05)
    q.put(b"soon", delay=0.4)
    with suppress(Empty):  # On a machine that is slow enough it isn't too early.
        q.nack(early.outcome())
    assert late.outcome().body == b"soon"


@pytest.mark.parametrize("delay", [-1.0, float("nan"), float("inf"), "1", True])
def test_a_delay_that_is_no_time_is_refused(make_queue: Any, delay: Any) -> None:
    q = make_queue()
    with pytest.raises(ValueError, match=f"delay.*{delay!r}"):
        q.put(b"", delay=delay)
    assert (q.qsize(), q.delayed) == (0, 0)


# Several at a time


def test_put_many_stores_in_order_and_returns_the_ids(make_queue: Any) -> None:
    q = make_queue()
    q.put(b"0")
    assert q.put_many([b"1", b"2"], headers={"k": 1}, priority=0) == [2, 3]
    messages = q.get_many(3)
    assert [(message.id, message.body) for message in messages] == [(1, b"0"), (2, b"1"), (3, b"2")]
    assert [message.headers for message in messages] == [{}, {"k": 1}, {"k": 1}]


def test_put_many_takes_any_iterable_and_nothing_at_all(make_queue: Any) -> None:
    q = make_queue()
    assert q.put_many(b"%d" % number for number in range(3)) == [1, 2, 3]
    assert q.put_many([]) == []
    assert q.qsize() == 3


def test_put_many_that_finds_too_little_room_stores_nothing(make_queue: Any) -> None:
    q = make_queue(3)
    q.put_many([b"1", b"2"])
    with pytest.raises(Full):
        q.put_many([b"3", b"4"], block=False)
    with pytest.raises(Full):
        q.put_many([b"3", b"4"], timeout=0.01)
    assert q.qsize() == 2
    assert q.put(b"3") == 3


def test_put_many_with_one_bad_body_stores_nothing(make_queue: Any) -> None:
    q = make_queue()
    with pytest.raises(TypeError, match="str 'two'"):
        q.put_many([b"one", "two", b"three"])
    assert q.empty()
    assert q.put(b"next") == 1


def test_put_many_that_can_never_fit_is_refused_at_once(make_queue: Any) -> None:
    with pytest.raises(ValueError, match="3 messages can never fit into maxsize=2"):
        make_queue(2).put_many([b"1", b"2", b"3"])


def test_put_many_waits_until_there_is_room_for_all(make_queue: Any, background: Any) -> None:
    q = make_queue(3)
    q.put_many([b"1", b"2", b"3"])
    putter = background(q.put_many, [b"4", b"5"])
    q.get()
    assert q.qsize() == 2  # Room for one of the two: none is stored.
    q.get()
    assert putter.outcome() == [4, 5]
    assert bodies(q) == [b"3", b"4", b"5"]


def test_get_many_takes_what_is_there(make_queue: Any) -> None:
    q = make_queue()
    assert q.get_many(5) == []
    q.put_many([b"1", b"2", b"3"])
    assert bodies(q, 2) == [b"1", b"2"]
    assert bodies(q, 2) == [b"3"]
    assert q.unacked == 3


def test_get_many_can_wait_for_the_first(make_queue: Any, background: Any) -> None:
    q = make_queue()
    assert q.get_many(5, block=True, timeout=0.01) == []
    getter = background(q.get_many, 5, block=True)
    q.put_many([b"1", b"2"])
    assert [message.body for message in getter.outcome()] == [b"1", b"2"]


@pytest.mark.parametrize("most", [0, -1, 1.5, True, None])
def test_get_many_of_no_whole_number_is_refused(make_queue: Any, most: Any) -> None:
    with pytest.raises(ValueError, match=f"most.*{most!r}"):
        make_queue().get_many(most)
