"""Simulations put together by hand from producers, queues and consumers."""

from __future__ import annotations

from collections.abc import Generator
from math import isnan, nan
from typing import Any

import numpy as np
import pytest

from simlib import (
    Consumer,
    Deterministic,
    Environment,
    Exponential,
    Outage,
    Producer,
    Replay,
    SimQueue,
    Trace,
)
from simlib.processes import Draws, Faults, Ledger, LedgerError, Timer
from simlib.queues import MemoryQueue


class DelayedQueue(MemoryQueue):
    """A real queue in which every message is delayed."""

    def __init__(self, seconds: float, clock: Any) -> None:
        super().__init__(clock=clock)
        self.seconds = seconds

    def put(self, body: bytes, *args: Any, **options: Any) -> int:
        return super().put(body, *args, **{**options, "delay": self.seconds})


def columns(queue: SimQueue) -> dict[str, list[float]]:
    record = queue.record
    return {
        "created": list(record.created),
        "enqueued": list(record.enqueued),
        "started": list(record.started),
        "finished": list(record.finished),
    }


def attempts(queue: SimQueue) -> list[tuple[int, float, float]]:
    """The attempts that came to nothing: message, start, end."""
    vain = queue.record.attempts
    return list(zip(vain.message, vain.start, vain.end, strict=True))


# The whole


def test_two_producers_and_three_consumers_share_one_queue() -> None:
    env = Environment(seed=1)
    queue = SimQueue(env, MemoryQueue())
    for name, messages in (("orders", 300), ("returns", 200)):
        Producer(env, queue, Exponential(1.0), messages=messages, name=name)
    done = []

    class Noting(Consumer):
        def done(self, number: int) -> None:
            done.append(number)

    for name in ("anna", "ben", "eve"):
        Noting(env, queue, Exponential(1.2), name=name)
    env.run()

    assert sorted(done) == list(range(500))
    assert queue.ledger() == Ledger(published=500, acked=500)
    record = columns(queue)
    created, enqueued, started, finished = (np.array(column) for column in record.values())
    assert np.all(created == enqueued)
    assert np.all(enqueued <= started)
    assert np.all(started <= finished)
    # Three at work at most, and never one idle while a message waits: starts in order of arrival.
    busy = np.sum((started[:, None] <= started) & (started < finished[:, None]), axis=0)
    assert busy.max() == 3
    assert np.all(np.diff(started[np.argsort(enqueued, kind="stable")]) >= 0)
    waited = started > enqueued
    assert waited.any()
    assert np.all(busy[waited] == 3)


def test_another_consumer_changes_no_arrival() -> None:
    def arrivals(consumers: list[str]) -> tuple[list[float], list[float]]:
        env = Environment(seed=1)
        queue = SimQueue(env, MemoryQueue())
        work = Draws(Exponential(1.2), env.stream("work"))
        for name in ("orders", "returns"):
            Producer(env, queue, Exponential(1.0), messages=100, name=name)
        for name in consumers:
            Consumer(env, queue, work, name=name)
        env.run()
        record = columns(queue)
        works = np.array(record["finished"]) - np.array(record["started"])
        return record["created"], np.sort(works).tolist()

    alone, together = arrivals(["anna"]), arrivals(["anna", "ben"])
    assert alone[0] == together[0]


def test_producers_and_consumers_need_names_of_their_own() -> None:
    env = Environment()
    queue = SimQueue(env, MemoryQueue())
    Producer(env, queue, Exponential(1.0))
    Consumer(env, queue, Exponential(1.0))
    with pytest.raises(ValueError, match="'producer' is taken"):
        Producer(env, queue, Exponential(1.0))
    with pytest.raises(ValueError, match="'consumer' is taken"):
        Consumer(env, queue, Exponential(1.0))
    with pytest.raises(ValueError, match="'producer' is taken"):
        Consumer(env, queue, Exponential(1.0), name="producer")


def test_simlib_processes_run_beside_ordinary_simpy_ones() -> None:
    env = Environment()
    queue = SimQueue(env, MemoryQueue())
    Producer(env, queue, Deterministic(1.0), messages=4)
    Consumer(env, queue, Deterministic(3.0))
    seen = []

    def watch() -> Generator[Any, Any, None]:
        while queue.acked < 4:
            seen.append((env.now, queue.real.qsize(), queue.real.unacked))
            yield env.timeout(2.5)

    env.process(watch())
    env.run()
    states = [(0, 0, 0), (2.5, 1, 1), (5, 2, 1), (7.5, 1, 1), (10, 0, 1), (12.5, 0, 1)]
    assert seen == states


# Producers


def test_a_producer_publishes_so_many_messages_and_no_more() -> None:
    env = Environment()
    queue = SimQueue(env, MemoryQueue())
    Producer(env, queue, Deterministic(2.0), messages=3)
    env.run()
    assert columns(queue)["created"] == columns(queue)["enqueued"] == [2.0, 4.0, 6.0]
    assert queue.ledger() == Ledger(published=3, ready=3)


def test_a_producer_stops_when_its_trace_ends() -> None:
    env = Environment()
    queue = SimQueue(env, MemoryQueue())
    Producer(env, queue, Trace([0.0, 0.5, 0.5, 2.0]))
    env.run()
    assert columns(queue)["enqueued"] == [0.0, 0.5, 0.5, 2.0]


def test_a_put_that_costs_time_makes_the_producer_late_and_the_message_knows() -> None:
    env = Environment()
    queue = SimQueue(env, MemoryQueue(), put_cost=2.0)
    Producer(env, queue, Trace([1.0, 2.0, 2.0, 20.0]))
    env.run()
    assert columns(queue)["created"] == [1.0, 2.0, 2.0, 20.0]
    assert columns(queue)["enqueued"] == [3.0, 5.0, 7.0, 22.0]


# Consumers


def test_a_get_and_an_ack_take_the_consumer_time() -> None:
    env = Environment()
    queue = SimQueue(env, MemoryQueue(), get_cost=0.25, ack_cost=0.5)
    Producer(env, queue, Trace([1.0, 1.0, 10.0]))
    Consumer(env, queue, Deterministic(2.0))
    env.run()
    assert columns(queue)["started"] == [1.25, 4.0, 10.25]
    assert columns(queue)["finished"] == [3.25, 6.0, 12.25]
    assert env.now == 12.75
    assert queue.ledger() == Ledger(published=3, acked=3)


def test_a_message_is_unacked_until_the_ack_is_over() -> None:
    env = Environment()
    queue = SimQueue(env, MemoryQueue(), get_cost=1.0, ack_cost=1.0)
    Producer(env, queue, Trace([1.0]))
    Consumer(env, queue, Deterministic(1.0))
    states = []
    for until in (1.5, 2.5, 3.5, 4.5):
        env.run(until=until)
        states.append((queue.real.unacked, queue.acked))
    assert states == [(1, 0), (1, 0), (1, 0), (0, 1)]


@pytest.mark.parametrize("cost", ["put_cost", "get_cost", "ack_cost"])
@pytest.mark.parametrize("value", [-0.1, float("inf"), nan])
def test_a_cost_that_is_no_time_is_refused(cost: str, value: float) -> None:
    env = Environment()
    with pytest.raises(ValueError, match=f"{cost} must be >= 0 s, got {value!r}"):
        SimQueue(env, MemoryQueue(), **{cost: value})


def test_workers_work_side_by_side() -> None:
    env = Environment()
    queue = SimQueue(env, MemoryQueue())
    Producer(env, queue, Trace([0.0] * 5))
    Consumer(env, queue, Deterministic(1.0), workers=2)
    env.run()
    assert columns(queue)["started"] == [0.0, 0.0, 1.0, 1.0, 2.0]


def test_idle_consumers_are_served_first_come_first_served() -> None:
    env = Environment()
    queue = SimQueue(env, MemoryQueue())
    Producer(env, queue, Trace([0.0, 1.0, 5.0, 6.0]))
    served = []
    for name, seconds in (("slow", 3.0), ("fast", 1.0)):

        class Noting(Consumer):
            name_of_mine = name

            def done(self, number: int) -> None:
                served.append((number, self.name_of_mine))

        Noting(env, queue, Deterministic(seconds), name=name)
    env.run()
    # The fast one is idle again at 2, the slow one at 3: that is their order at 5.
    assert sorted(served) == [(0, "slow"), (1, "fast"), (2, "fast"), (3, "slow")]


def test_a_message_that_finds_no_room_is_dropped() -> None:
    env = Environment()
    queue = SimQueue(env, MemoryQueue(1), capacity=1)
    Producer(env, queue, Trace([0.0, 1.0, 2.0, 10.0, 11.0]))
    Consumer(env, queue, Deterministic(10.0))
    env.run()
    assert list(queue.record.dropped) == [2, 4]
    assert queue.ledger() == Ledger(published=5, acked=3, dropped=2)
    refused = [isnan(time) for time in columns(queue)["enqueued"]]
    assert refused == [False, False, True, False, True]


def test_with_no_place_to_wait_a_message_needs_an_idle_consumer() -> None:
    env = Environment()
    queue = SimQueue(env, MemoryQueue(), capacity=0)
    Producer(env, queue, Trace([0.0, 0.0, 0.5, 1.0, 1.0]))
    Consumer(env, queue, Deterministic(1.0))
    env.run()
    # Whoever finishes at 1 makes room for one of those that arrive then.
    assert list(queue.record.dropped) == [1, 2, 4]
    assert queue.ledger() == Ledger(published=5, acked=2, dropped=3)


def test_a_message_that_no_draw_is_left_for_is_an_error() -> None:
    env = Environment()
    queue = SimQueue(env, MemoryQueue())
    Producer(env, queue, Deterministic(1.0), messages=3)
    Consumer(env, queue, Replay([1.0, 1.0]))
    with pytest.raises(IndexError, match="2 values, and message 3 needs one"):
        env.run()


# Faults of consumers


def test_an_outage_gives_messages_back_and_their_work_starts_again() -> None:
    env = Environment()
    queue = SimQueue(env, MemoryQueue())
    Producer(env, queue, Trace([0.0, 1.0]))
    Consumer(
        env,
        queue,
        Deterministic(4.0),
        faults=Faults([Outage(of="consumers", start=3.0, duration=7.0)]),
    )
    env.run()
    assert attempts(queue) == [(0, 0.0, 3.0)]
    assert columns(queue)["started"] == [10.0, 14.0]
    assert columns(queue)["finished"] == [14.0, 18.0]
    assert queue.ledger() == Ledger(published=2, acked=2, duplicates=1, redelivered=1)


def test_what_a_consumer_gives_back_goes_to_one_that_is_idle() -> None:
    env = Environment()
    queue = SimQueue(env, MemoryQueue())
    Producer(env, queue, Trace([0.0]))
    Consumer(
        env,
        queue,
        Deterministic(4.0),
        faults=Faults([Outage(of="consumers", start=3.0, duration=7.0)]),
        name="weak",
    )
    Consumer(env, queue, Deterministic(5.0), name="strong")
    env.run()
    assert columns(queue)["started"] == [3.0]
    assert columns(queue)["finished"] == [8.0]


def test_messages_wait_while_an_idle_consumer_is_down() -> None:
    env = Environment()
    queue = SimQueue(env, MemoryQueue())
    Producer(env, queue, Trace([5.0, 6.0]))
    Consumer(
        env,
        queue,
        Deterministic(1.0),
        faults=Faults([Outage(of="consumers", start=3.0, duration=7.0)]),
    )
    env.run()
    assert columns(queue)["started"] == [10.0, 11.0]
    assert queue.ledger() == Ledger(published=2, acked=2)


def test_a_consumer_takes_nothing_while_it_is_down() -> None:
    env = Environment()
    queue = SimQueue(env, MemoryQueue(), ack_cost=1.0)
    Producer(env, queue, Trace([0.0, 3.0]))
    # Down while it acks the first message.
    Consumer(
        env,
        queue,
        Deterministic(1.0),
        faults=Faults([Outage(of="consumers", start=1.5, duration=8.5)]),
    )
    env.run()
    assert columns(queue)["started"] == [0.0, 10.0]
    assert attempts(queue) == []
    assert queue.ledger() == Ledger(published=2, acked=2)


def test_work_that_is_begun_in_a_slowdown_takes_longer() -> None:
    env = Environment()
    queue = SimQueue(env, MemoryQueue())
    Producer(env, queue, Trace([0.0, 3.0, 20.0]))
    slow = Faults([Outage(of="consumers", kind="slow", start=2.0, duration=10.0, factor=3.0)])
    Consumer(env, queue, Deterministic(2.5), faults=slow)
    env.run()
    assert columns(queue)["finished"] == [2.5, 10.5, 22.5]


# Delays and leases of the real queue, on simulated time


def test_a_delayed_message_reaches_an_idle_consumer_when_it_is_due() -> None:
    env = Environment()
    queue = SimQueue(env, DelayedQueue(5.0, env.clock))
    Producer(env, queue, Trace([1.0, 2.0, 20.0]))
    Consumer(env, queue, Deterministic(0.5))
    env.run()
    assert columns(queue)["enqueued"] == [1.0, 2.0, 20.0]
    assert columns(queue)["started"] == [6.0, 7.0, 25.0]
    assert queue.ledger() == Ledger(published=3, acked=3)


def test_a_delayed_message_counts_as_ready_in_the_ledger() -> None:
    env = Environment()
    queue = SimQueue(env, DelayedQueue(5.0, env.clock))
    Producer(env, queue, Trace([1.0]))
    Consumer(env, queue, Deterministic(0.5))
    env.run(until=2.0)
    assert queue.ledger() == Ledger(published=1, ready=1)


def test_a_message_whose_holder_never_acks_is_done_by_another_consumer() -> None:
    env = Environment()
    queue = SimQueue(env, MemoryQueue(lease=10.0, clock=env.clock))
    taken = []

    def crashes() -> Generator[Any, Any, None]:
        taken.append((yield queue.wait(Timer(env, 0))))

    env.process(crashes())
    Producer(env, queue, Trace([1.0, 2.0]))
    Consumer(env, queue, Deterministic(3.0))
    env.run()
    assert [message.attempts for message in taken] == [1]
    assert columns(queue)["started"] == [11.0, 2.0]
    assert queue.ledger().acked == 2


def test_a_consumer_within_its_lease_is_not_disturbed() -> None:
    env = Environment()
    queue = SimQueue(env, MemoryQueue(lease=3.0, clock=env.clock))
    Producer(env, queue, Trace([1.0, 1.0, 1.0]))
    Consumer(env, queue, Deterministic(2.5), workers=2)
    env.run()
    assert columns(queue)["finished"] == [3.5, 3.5, 6.0]
    assert queue.ledger() == Ledger(published=3, acked=3)


def test_a_consumer_slower_than_its_lease_works_in_vain_and_the_run_goes_on() -> None:
    env = Environment()
    queue = SimQueue(env, MemoryQueue(lease=10.0, clock=env.clock))
    Producer(env, queue, Trace([0.0, 0.0]))
    # The first message takes too long for anybody, the second does not.
    Consumer(env, queue, Replay([12.0, 2.0]), workers=2)
    env.run(until=50.0)
    assert queue.acked == 1
    assert queue.ledger().published == 2


def test_a_late_ack_does_not_undo_what_another_consumer_has_done() -> None:
    env = Environment()
    queue = SimQueue(env, MemoryQueue(lease=10.0, clock=env.clock))
    Producer(env, queue, Trace([1.0]))
    Consumer(env, queue, Deterministic(12.0), name="slow")
    Consumer(env, queue, Deterministic(0.5), name="fast")
    env.run()
    assert queue.ledger() == Ledger(published=1, acked=1, duplicates=1, redelivered=1, redone=1)
    assert columns(queue)["started"] == [11.0]
    assert columns(queue)["finished"] == [11.5]
    assert attempts(queue) == [(0, 1.0, 13.0)]


# The ledger


def test_a_ledger_must_balance() -> None:
    with pytest.raises(LedgerError, match="3 messages accounted for of 4"):
        Ledger(published=4, acked=2, ready=1)
    balanced = Ledger(published=7, acked=1, ready=1, unacked=1, dead_lettered=1, expired=1,
                      dropped=1, lost=1, duplicates=9)  # fmt: skip
    assert dict(balanced)["duplicates"] == 9


def test_a_ledger_reads_like_a_mapping() -> None:
    ledger = Ledger(published=3, acked=2, dropped=1)
    assert ledger["acked"] == 2
    assert dict(ledger) == {
        "published": 3,
        "acked": 2,
        "ready": 0,
        "unacked": 0,
        "dead_lettered": 0,
        "expired": 0,
        "dropped": 1,
        "lost": 0,
        "duplicates": 0,
        "redelivered": 0,
        "redone": 0,
    }
    assert ledger.kept == 2
    with pytest.raises(KeyError, match="gone"):
        ledger["gone"]
