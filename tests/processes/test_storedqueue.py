"""Queues that crash, put together by hand."""

from __future__ import annotations

from collections.abc import Generator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from simlib import Consumer, Deterministic, Environment, Outage, Producer, SimQueue, Trace
from simlib.processes import LedgerError, PausingConsumer, StoredQueue, Timer
from simlib.processes.point_to_point.crashes import crash
from simlib.queues import FileQueue, MemoryQueue


def _assemble(
    place: Path, times: list[float], *, workers: int = 1, breaks: bool = True, **options: Any
) -> tuple[Environment, StoredQueue, PausingConsumer]:
    env = Environment()
    opener = partial(FileQueue, place / "queue", clock=env.clock, **options)
    queue = StoredQueue(env, opener, breaks=breaks)
    producer = Producer(env, queue, Trace(times))
    consumer = PausingConsumer(env, queue, Deterministic(2.0), producer=producer, workers=workers)
    return env, queue, consumer


def _at(env: Environment, time: float, act: Any) -> None:
    def acts() -> Generator[Timer, Any, None]:
        yield Timer(env, 2).at(time)
        act()

    env.process(acts())


def test_a_queue_is_really_opened_again(tmp_path: Path) -> None:
    env, queue, _ = _assemble(tmp_path, [0.0, 0.5])
    first = queue.real
    _at(env, 1.0, lambda: queue.crash(power=False))
    _at(env, 3.0, queue.restart)
    env.advance(2.5)
    assert queue.real is not first
    assert (queue.up, queue.real.qsize(), queue.real.unacked) == (False, 2, 0)
    assert queue.ledger().ready == 2
    env.run()
    assert queue.ledger().acked == 2
    queue.close()


def test_what_comes_back_says_that_it_was_delivered_before(tmp_path: Path) -> None:
    env, queue, _ = _assemble(tmp_path, [0.0])
    _at(env, 1.0, lambda: queue.crash(power=False))
    env.run()
    with queue.real as real:
        message = real.get(False)
        assert (message.attempts, message.body) == (2, (0).to_bytes(8, "big"))


def test_only_the_first_of_two_crashes_voids_a_delivery(tmp_path: Path) -> None:
    env, queue, _ = _assemble(tmp_path, [0.0])
    for time in (0.5, 1.0):
        _at(env, time, lambda: queue.crash(power=False))
    _at(env, 1.5, queue.restart)
    env.run()
    ledger = queue.ledger()
    queue.close()
    assert (ledger.acked, ledger.redelivered, ledger.duplicates) == (1, 1, 1)


def test_a_consumer_that_crashes_while_its_work_is_in_vain_stops_working(tmp_path: Path) -> None:
    env, queue, consumer = _assemble(tmp_path, [0.0])
    _at(env, 0.5, lambda: queue.crash(power=False))
    _at(env, 1.0, lambda: queue.abandon(consumer.crash(0, 10.0)))
    _at(env, 1.25, queue.restart)
    env.run()
    ledger = queue.ledger()
    queue.close()
    vain = queue.record.attempts
    assert list(vain.message) == [0]
    assert (list(vain.delivered), list(vain.released)) == ([0.0], [0.5])
    assert (list(vain.start), list(vain.end)) == ([0.0], [1.0])
    assert (vain.outcome, vain.cause) == (["interrupted"], ["queue crash"])
    assert list(queue.record.started) == [11.0]
    assert (ledger.redelivered, ledger.redone) == (1, 0)


def test_a_consumer_that_is_down_does_not_crash(tmp_path: Path) -> None:
    env, queue, consumer = _assemble(tmp_path, [0.0])
    _at(env, 1.0, lambda: queue.abandon(consumer.crash(0, 10.0)))
    _at(env, 2.0, lambda: queue.abandon(consumer.crash(0, 100.0)))
    env.run()
    queue.close()
    assert list(queue.record.started) == [11.0]


def test_a_crash_hits_one_of_the_consumers_by_chance() -> None:
    hit = set()
    for seed in range(20):
        env = Environment(seed)
        queue = StoredQueue(env, MemoryQueue, breaks=True)
        producer = Producer(env, queue, Trace([0.0] * 3))
        consumer = PausingConsumer(env, queue, Deterministic(5.0), producer=producer, workers=3)
        down = Outage(of="consumers", every=1.0, duration=1.0, share=0.3)
        crash(env, [down], queue, consumer, lambda env=env: env.now > 1.5)
        env.run()
        ledger = queue.ledger()
        assert (ledger.acked, ledger.redelivered) == (3, 1)
        hit.add(queue.record.attempts.message[0])
    assert hit == {0, 1, 2}


def test_a_batch_is_flushed_after_its_time_and_not_by_a_run_before_the_crash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = Environment()
    flushed: list[float] = []
    monkeypatch.setattr(FileQueue, "flush", lambda _: flushed.append(env.now))
    opener = partial(FileQueue, tmp_path / "queue", sync="batch", batch_time=None)
    queue = StoredQueue(env, opener, sync_time=1.0, breaks=True)
    Producer(env, queue, Trace([0.25, 0.5, 2.0, 2.75, 4.0]))
    _at(env, 2.5, lambda: queue.crash(power=False))
    _at(env, 2.625, queue.restart)
    env.run()
    queue.close()
    assert flushed == [1.25, 3.75, 5.0]


def test_a_consumer_that_does_not_notice_crashes_is_refused() -> None:
    env = Environment()
    queue = StoredQueue(env, MemoryQueue, breaks=True)
    Producer(env, queue, Trace([0.0]))
    Consumer(env, queue, Deterministic(1.0))
    with pytest.raises(TypeError, match="take a PausingConsumer"):
        env.run()


def test_a_queue_that_comes_back_with_what_nobody_put_ends_the_run(tmp_path: Path) -> None:
    env, queue, _ = _assemble(tmp_path, [5.0])
    _at(env, 0.5, lambda: queue.real.put(b"from nowhere"))
    _at(env, 1.0, lambda: queue.crash(power=False))
    with pytest.raises(LedgerError, match=r"came back with \[1\], which nobody had put"):
        env.run()
    queue.close()


def test_a_delivery_of_what_nobody_put_ends_the_run(tmp_path: Path) -> None:
    env, queue, _ = _assemble(tmp_path, [5.0], breaks=False)
    queue.real.put(b"from nowhere")
    with pytest.raises(LedgerError, match="from nowhere"):
        env.run()
    queue.close()


def test_a_cost_may_depend_on_how_many_messages_a_call_deals_with() -> None:
    queue = SimQueue(Environment(), MemoryQueue(), put_cost=lambda messages: 1.0 + messages)
    assert (queue.put_cost, queue.put_time(3), queue.get_time(3)) == (2.0, 4.0, 0.0)


def test_a_process_that_was_ended_never_goes_on() -> None:
    env = Environment()
    went_on, timers = [], []

    def waits() -> Generator[Timer, Any, None]:
        timer = Timer(env, 0)
        timers.append(timer)
        yield timer.at(5.0)
        went_on.append(env.now)

    env.process(waits())
    env.run(until=1.0)
    timers[0].end_process()
    env.run()
    assert went_on == []
    assert env.now == 5.0
