"""Subscribers that are called."""

from __future__ import annotations

from simlib import Deterministic, Environment, Outage
from simlib.processes import Draws, Faults, Record
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
    first, again = one.call(3), one.call(3)
    assert first is again
    env.run()
    assert first.processed
    assert one.call(3).processed
    assert one.done == 1
    one.inbox.close()


def test_what_waits_is_gone_when_the_receiver_goes_down() -> None:
    env = Environment()
    one = receiver(env, Outage(start=1.5, duration=1.0))
    answers = [one.call(number) for number in range(3)]
    env.run(until=2.0)
    # The first is done, the second was in its hands, and the third in its inbox.
    assert [answer.triggered for answer in answers] == [True, False, False]
    assert [one.holds(number) for number in range(3)] == [True, False, False]
    assert not one.call(1).triggered
    assert not one.holds(1)
    env.run(until=3.0)
    again = one.call(1)
    env.run()
    assert again.triggered
    assert one.inbox.qsize() == one.inbox.unacked == 0
    one.inbox.close()
