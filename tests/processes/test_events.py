"""Subscribers that are called."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from simlib import Deterministic, Environment, Outage
from simlib.calls import Outcome, Reply
from simlib.processes import Draws, Faults, Record, Timer
from simlib.processes.events.by_call import Receiver
from simlib.queues import MemoryQueue


def receiver(env: Environment, *outages: Outage) -> Receiver:
    record = Record()
    record.prepare(10)
    work = Draws(Deterministic(1.0), env.stream("work"))
    return Receiver(env, MemoryQueue(), record, work, Faults(outages))


def test_an_event_that_is_called_again_is_done_once() -> None:
    env = Environment()
    one = receiver(env)
    calls = [one.call(3), one.call(3)]
    env.run()
    assert [call.answer for call in calls] == [Reply(Outcome.OK)] * 2
    assert one.call(3).answer == Reply(Outcome.OK)
    assert one.queue.acked == 1
    one.queue.real.close()


def test_an_answer_counts_for_the_call_that_still_waits() -> None:
    env, heard = Environment(), []

    def asks() -> Generator[Timer, Any, None]:
        timer = Timer(env, 0)
        for deadline in (0.4, 1.4):
            reply = yield from one.call(3, deadline=deadline).wait(timer)
            heard.append((env.now, reply.outcome))

    one = receiver(env)
    env.process(asks())
    env.run()
    assert heard == [(0.4, Outcome.TIMED_OUT), (1.0, Outcome.OK)]
    assert (one.late, one.queue.acked) == (1, 1)
    one.queue.real.close()


def test_what_waits_is_gone_without_a_word_when_the_receiver_goes_down() -> None:
    env = Environment()
    one = receiver(env, Outage(of="consumers", start=1.5, duration=1.0))
    calls = [one.call(number) for number in range(3)]
    env.run(until=2.0)
    # The first is done, the second was in its hands, and the third in its inbox.
    assert [call.answer for call in calls] == [Reply(Outcome.OK), None, None]
    assert [one.holds(number) for number in range(3)] == [True, False, False]
    assert one.call(1).answer is None
    assert not one.holds(1)
    env.run(until=3.0)
    again = one.call(1)
    env.run()
    assert again.answer == Reply(Outcome.OK)
    assert one.queue.real.qsize() == one.queue.real.unacked == 0
    one.queue.real.close()
