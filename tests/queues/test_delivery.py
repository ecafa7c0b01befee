"""At least once: leases, acks, nacks and redeliveries."""

from __future__ import annotations

import pickle
import time
from contextlib import suppress
from typing import Any

import pytest

from simlib.queues import Empty, LeaseLostError, Message, QueueError


def test_an_ack_makes_the_queue_forget_the_message(make_queue: Any) -> None:
    q = make_queue()
    q.put(b"work")
    message = q.get()
    assert (q.qsize(), q.unacked) == (0, 1)
    q.ack(message)
    assert (q.qsize(), q.unacked) == (0, 0)
    with pytest.raises(Empty):
        q.get(block=False)


def test_a_nack_brings_a_message_back_as_redelivered(make_queue: Any) -> None:
    q = make_queue()
    q.put(b"work", headers={"k": 1}, priority=3)
    first = q.get()
    q.nack(first)
    assert (q.qsize(), q.unacked) == (1, 0)
    second = q.get()
    assert second == (first.id, b"work", {"k": 1}, 3, 2)
    assert second.redelivered
    q.nack(second)
    assert q.get().attempts == 3


def test_a_nack_without_requeue_drops_the_message(make_queue: Any) -> None:
    q = make_queue()
    q.put(b"poison")
    q.nack(q.get(), requeue=False)
    assert (q.qsize(), q.unacked) == (0, 0)


def test_a_returned_message_takes_its_old_place(make_queue: Any) -> None:
    q = make_queue()
    q.put_many([b"1", b"2", b"3"])
    first, second = q.get(), q.get()
    q.put(b"4")
    q.nack(second)
    q.nack(first)
    drained = [(message.body, message.redelivered) for message in q.get_many(4)]
    assert drained == [(b"1", True), (b"2", True), (b"3", False), (b"4", False)]


def test_a_returned_message_keeps_its_priority(make_queue: Any) -> None:
    q = make_queue()
    q.put(b"low", priority=-1)
    low = q.get()
    q.put(b"normal")
    q.nack(low)
    assert [message.body for message in q.get_many(2)] == [b"normal", b"low"]


def test_a_waiting_get_is_handed_a_returned_message(make_queue: Any, background: Any) -> None:
    q = make_queue()
    q.put(b"work")
    message = q.get()
    getter = background(q.get)
    q.nack(message)
    assert getter.outcome().attempts == 2


# Leases


def test_a_lease_that_runs_out_does_what_a_nack_does(make_queue: Any, clock: Any) -> None:
    q = make_queue(lease=10.0, clock=clock)
    q.put_many([b"1", b"2"])
    q.get()
    assert q.due_in() == 10.0
    clock.advance(9.75)
    assert (q.qsize(), q.unacked) == (1, 1)
    clock.advance(0.25)
    assert (q.qsize(), q.unacked) == (2, 0)
    again = q.get()
    assert (again.body, again.attempts, again.redelivered) == (b"1", 2, True)


def test_of_many_messages_taken_together_each_has_its_lease(make_queue: Any, clock: Any) -> None:
    q = make_queue(lease=10.0, clock=clock)
    q.put_many([b""] * 300)
    assert len(q.get_many(300)) == 300
    clock.advance(10.0)
    assert (q.qsize(), q.unacked) == (300, 0)


def test_of_many_messages_taken_one_by_one_each_has_its_lease(make_queue: Any, clock: Any) -> None:
    q = make_queue(lease=10.0, clock=clock)
    q.put_many([b""] * 300)
    for _ in range(150):
        q.get()
        q.ack(q.get())
    clock.advance(10.0)
    assert (q.qsize(), q.unacked) == (150, 0)


def test_a_lease_ends_in_time_though_the_clock_has_stepped_back(
    make_queue: Any, clock: Any
) -> None:
    q = make_queue(lease=10.0, clock=clock)
    q.put_many([b"1", b"2", b"3"])
    q.get()
    clock.advance(-50.0)
    q.get()
    clock.advance(10.0)
    assert (q.qsize(), q.unacked) == (2, 1)
    assert q.get().body == b"2"


def test_without_a_lease_a_message_is_held_for_ever(make_queue: Any, clock: Any) -> None:
    q = make_queue(clock=clock)
    q.put(b"work")
    message = q.get()
    clock.advance(1e9)
    assert (q.qsize(), q.unacked) == (0, 1)
    q.ack(message)


def test_each_delivery_has_a_lease_of_its_own(make_queue: Any, clock: Any) -> None:
    q = make_queue(lease=10.0, clock=clock)
    q.put_many([b"1", b"2"])
    q.get()
    clock.advance(6.0)
    second = q.get()
    clock.advance(6.0)
    assert (q.qsize(), q.unacked) == (1, 1)
    again = q.get()
    clock.advance(6.0)
    assert (q.qsize(), q.unacked) == (1, 1)
    with pytest.raises(LeaseLostError):
        q.ack(second)
    q.ack(again)


def test_an_ack_in_time_ends_the_lease(make_queue: Any, clock: Any) -> None:
    q = make_queue(lease=10.0, clock=clock)
    q.put(b"work")
    q.ack(q.get())
    clock.advance(20.0)
    assert (q.qsize(), q.unacked) == (0, 0)


def test_an_ack_after_the_lease_is_refused_and_the_message_is_kept(
    make_queue: Any, clock: Any
) -> None:
    q = make_queue(lease=10.0, clock=clock)
    q.put(b"work")
    late = q.get()
    clock.advance(10.0)
    with pytest.raises(LeaseLostError, match="message 1 in attempt 1"):
        q.ack(late)
    assert q.qsize() == 1


def test_an_ack_of_a_delivery_that_has_passed_on_is_refused(make_queue: Any, clock: Any) -> None:
    q = make_queue(lease=10.0, clock=clock)
    q.put(b"work")
    late = q.get()
    clock.advance(10.0)
    holder = q.get()
    for settle in (q.ack, q.nack, lambda message: q.ack_many([message])):
        with pytest.raises(LeaseLostError, match=r"attempt 1 .*attempt 2"):
            settle(late)
    assert q.unacked == 1
    q.ack(holder)
    assert (q.qsize(), q.unacked) == (0, 0)


def test_a_waiting_get_is_handed_the_message_of_a_lease_that_runs_out(
    make_queue: Any, background: Any
) -> None:
    q = make_queue(lease=0.1)
    q.put(b"work")
    q.get()
    assert background(q.get).outcome().attempts == 2


def test_a_get_that_waited_before_the_lease_began_is_handed_its_message(
    make_queue: Any, background: Any
) -> None:
    q = make_queue(lease=0.3)
    one, other = background(q.get), background(q.get)
    time.sleep(0.1)  # Time for both to begin waiting; the answer is the same if they are late.
    q.put(b"work")
    attempts = {one.outcome().attempts, other.outcome().attempts}
    assert attempts == {1, 2}


def test_a_get_that_gives_up_leaves_the_end_of_a_lease_to_the_others(
    make_queue: Any, background: Any
) -> None:
    q = make_queue(lease=0.6)
    getters = []
    for timeout in (None, 0.3, None):  # The first takes the message, the second gives up early.
        getters.append(background(q.get, timeout=timeout))
        time.sleep(0.02)
    q.put(b"work")
    first, second, third = getters
    attempts = {first.outcome().attempts, third.outcome().attempts}
    with suppress(Empty):  # On a machine that is slow enough the second has its turn, too.
        attempts.add(second.outcome().attempts)
    assert len(attempts) >= 2


# Acks that are refused


@pytest.mark.parametrize("settled", ["ack", "nack"])
def test_a_delivery_can_be_settled_only_once(make_queue: Any, settled: str) -> None:
    q = make_queue()
    q.put(b"work")
    message = q.get()
    getattr(q, settled)(message)
    for settle in (q.ack, q.nack):
        with pytest.raises(LeaseLostError):
            settle(message)
    assert (q.qsize(), q.unacked) == (1 if settled == "nack" else 0, 0)


def test_a_message_of_another_queue_is_refused(make_queue: Any) -> None:
    q, other = make_queue(), make_queue()
    other.put_many([b"1", b"2"])
    _, foreign = other.get_many(2)
    q.put(b"mine")
    q.get()
    for settle in (q.ack, q.nack):
        with pytest.raises(LeaseLostError, match="message 2"):
            settle(foreign)
    assert (q.unacked, other.unacked) == (1, 2)


def test_a_lost_lease_is_an_error_of_queues() -> None:
    assert issubclass(LeaseLostError, QueueError)


def test_a_copy_of_a_message_settles_its_delivery(make_queue: Any) -> None:
    q = make_queue()
    q.put_many([b"1", b"2"])
    first, second = q.get_many(2)
    q.ack(pickle.loads(pickle.dumps(first)))  # noqa: S301
    q.nack(Message(second.id, b"", {}, attempts=second.attempts))
    assert q.unacked == 0
    assert q.get().body == b"2"  # What comes back is what was put, not what was handed in.


def test_ack_many_acks_all(make_queue: Any) -> None:
    q = make_queue(lease=60.0)
    q.put_many([b"1", b"2", b"3"])
    q.ack_many(message for message in q.get_many(2))
    assert (q.qsize(), q.unacked) == (1, 0)
    q.ack_many([])


def test_ack_many_with_one_lost_delivery_acks_none(make_queue: Any) -> None:
    q = make_queue()
    q.put_many([b"1", b"2", b"3"])
    first, second, third = q.get_many(3)
    q.ack(second)
    with pytest.raises(LeaseLostError, match="message 2"):
        q.ack_many([first, second, third])
    assert q.unacked == 2
    q.ack_many([first, third])


def test_ack_many_with_the_same_delivery_twice_acks_none(make_queue: Any) -> None:
    q = make_queue()
    q.put_many([b"1", b"2"])
    first, second = q.get_many(2)
    with pytest.raises(LeaseLostError, match="message 1"):
        q.ack_many([first, second, first])
    assert q.unacked == 2
