"""SimPy's rules for ordinary processes, and timers."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import pytest
import simpy
from hypothesis import given, settings
from hypothesis import strategies as st

from simlib import Environment
from simlib.processes import Timer

Log = list[Any]
Steps = Generator[Any, Any, Any]


@pytest.mark.parametrize("seed", [-1, 1.0, "1", None, True])
def test_a_seed_that_is_no_whole_number_is_refused(seed: Any) -> None:
    with pytest.raises(ValueError, match=f"seed.*{seed!r}"):
        Environment(seed)


def test_the_clock_tells_simulated_time() -> None:
    env = Environment()
    assert env.clock() == 0.0
    env.run(until=2.5)
    assert env.clock() == env.now == 2.5


# SimPy's rules. Each program is run on both environments and must leave the same trail.


def _note(env: simpy.Environment, log: Log, event: simpy.Event) -> Steps:
    """Wait for an event, and write down when it happened and what it brought."""
    value = yield event
    log.append((env.now, value))


def _ties(env: simpy.Environment, log: Log) -> None:
    def process(name: str, delays: list[float]) -> Steps:
        for delay in delays:
            value = yield env.timeout(delay, value=name)
            log.append((env.now, value))

    for name, delays in [("a", [1, 1, 0, 2]), ("b", [2, 0, 2]), ("c", [0, 2, 2]), ("d", [])]:
        env.process(process(name, delays))


def _waiting_for_each_other(env: simpy.Environment, log: Log) -> None:
    def child(delay: float) -> Steps:
        yield env.timeout(delay)
        return delay * 10

    def parent() -> Steps:
        early, late = env.process(child(1)), env.process(child(5))
        yield from _note(env, log, early)
        yield env.timeout(10)
        yield from _note(env, log, late)  # It is over already.
        log.append((early.is_alive, late.value))

    env.process(parent())


def _conditions(env: simpy.Environment, log: Log) -> None:
    def process() -> Steps:
        slow, fast = env.timeout(5, "slow"), env.timeout(2, "fast")
        got = yield slow | fast
        log.append((env.now, list(got.values()), slow in got))
        got = yield env.all_of([slow, env.timeout(1, "again")])
        log.append((env.now, list(got.values())))
        got = yield env.any_of([])
        log.append((env.now, list(got.values())))

    env.process(process())


def _events(env: simpy.Environment, log: Log) -> None:
    good, bad = env.event(), env.event()

    def waits(event: simpy.Event) -> Steps:
        try:
            yield from _note(env, log, event)
        except ZeroDivisionError as error:
            log.append((env.now, repr(error)))

    def triggers() -> Steps:
        yield env.timeout(3)
        good.succeed("good")
        bad.fail(ZeroDivisionError("bad"))
        yield env.timeout(1)
        log.append((good.triggered, good.processed, bad.ok))

    for event in (good, good, bad):
        env.process(waits(event))
    env.process(triggers())
    good.callbacks.append(lambda event: log.append(("called", env.now, event.value)))


def _interrupts(env: simpy.Environment, log: Log) -> None:
    def sleeper() -> Steps:
        for _ in range(3):
            try:
                yield env.timeout(10)
                log.append((env.now, "slept"))
            except simpy.Interrupt as interrupt:
                log.append((env.now, interrupt.cause))

    def waker(process: simpy.Process) -> Steps:
        yield env.timeout(4)
        process.interrupt("first")
        yield env.timeout(1)
        process.interrupt("second")

    env.process(waker(env.process(sleeper())))


def _an_interrupt_that_nobody_expects(env: simpy.Environment, log: Log) -> None:
    def sleeper() -> Steps:
        yield env.timeout(10)

    def waker(process: simpy.Process) -> Steps:
        yield env.timeout(4)
        process.interrupt("wake up")

    env.process(waker(env.process(sleeper())))


def _an_error_in_a_process(env: simpy.Environment, log: Log) -> None:
    def process() -> Steps:
        yield env.timeout(2)
        raise LookupError("lost")

    env.process(process())
    env.process(_tick(env, log, 5))


def _an_error_that_another_process_handles(env: simpy.Environment, log: Log) -> None:
    def fails() -> Steps:
        yield env.timeout(2)
        raise LookupError("lost")

    def handles() -> Steps:
        try:
            yield env.process(fails())
        except LookupError as error:
            log.append((env.now, str(error)))

    env.process(handles())


def _an_event_that_fails_unseen(env: simpy.Environment, log: Log) -> None:
    def process() -> Steps:
        yield env.timeout(2)
        env.event().fail(LookupError("unseen"))
        yield env.timeout(2)
        log.append("too late")

    env.process(process())


def _what_is_no_event(env: simpy.Environment, log: Log) -> None:
    def process() -> Steps:
        yield env.timeout(1)
        yield 5

    env.process(process())


def _resources(env: simpy.Environment, log: Log) -> None:
    resource, store = simpy.Resource(env, capacity=2), simpy.Store(env, capacity=1)

    def user(name: int) -> Steps:
        with resource.request() as request:
            yield request
            log.append((env.now, name, resource.count))
            yield env.timeout(3)
        yield store.put(name)

    def reader() -> Steps:
        for _ in range(4):
            yield from _note(env, log, store.get())
            yield env.timeout(2)

    for name in range(5):
        env.process(user(name))
    env.process(reader())


def _tick(env: simpy.Environment, log: Log, times: int) -> Steps:
    for _ in range(times):
        yield env.timeout(1)
        log.append(env.now)


def _ticks(env: simpy.Environment, log: Log) -> None:
    env.process(_tick(env, log, 6))


def _nothing(env: simpy.Environment, log: Log) -> None:
    pass


PROGRAMS = [
    _ties,
    _waiting_for_each_other,
    _conditions,
    _events,
    _interrupts,
    _an_interrupt_that_nobody_expects,
    _an_error_in_a_process,
    _an_error_that_another_process_handles,
    _an_event_that_fails_unseen,
    _what_is_no_event,
    _resources,
    _ticks,
    _nothing,
]


def _to_the_end(env: simpy.Environment, log: Log) -> None:
    log.append(("returned", env.run()))


def _to_instants(env: simpy.Environment, log: Log) -> None:
    for until in (2, 2.5, 4.0, 100):
        log.append(("returned", env.run(until=until), env.now))


def _step_by_step(env: simpy.Environment, log: Log) -> None:
    while env.peek() < float("inf"):
        log.append(env.peek())
        env.step()
    env.step()


def _to_an_event(env: simpy.Environment, log: Log) -> None:
    log.append(env.run(until=env.timeout(4, value="the end")))
    log.append(env.now)
    env.run()


def _to_a_process(env: simpy.Environment, log: Log) -> None:
    def process() -> Steps:
        yield env.timeout(4.5)
        return "the end"

    ending = env.process(process())
    log.append(env.run(until=ending))
    log.append((env.now, env.run(until=ending)))


def _to_an_event_that_never_happens(env: simpy.Environment, log: Log) -> None:
    env.run(until=env.event())


def _to_an_instant_in_the_past(env: simpy.Environment, log: Log) -> None:
    env.run(until=3)
    env.run(until=3)


WAYS = [
    _to_the_end,
    _to_instants,
    _step_by_step,
    _to_an_event,
    _to_a_process,
    _to_an_event_that_never_happens,
    _to_an_instant_in_the_past,
]


def _trail(
    make: Callable[[], simpy.Environment],
    program: Callable[[simpy.Environment, Log], None],
    way: Callable[[simpy.Environment, Log], None],
) -> Log:
    env, log = make(), []
    program(env, log)
    try:
        way(env, log)
    except Exception as error:
        # Texts that speak of an instant or an address are each environment's own.
        told = str(error) if isinstance(error, LookupError | simpy.Interrupt) else ""
        log.append((type(error), told))
    return [*log, env.now]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("program", PROGRAMS)
def test_ordinary_processes_go_as_in_simpy(program: Any, way: Any) -> None:
    assert _trail(Environment, program, way) == _trail(simpy.Environment, program, way)


delays = st.lists(st.sampled_from([0.0, 0.1, 0.25, 1.0, 1.5]), max_size=6)


@given(st.lists(delays, min_size=1, max_size=5), st.lists(st.tuples(delays, st.integers(0, 4))))
@settings(max_examples=100)
def test_any_timeouts_and_interrupts_go_as_in_simpy(
    sleeps: list[list[float]], wakes: list[tuple[list[float], int]]
) -> None:
    def program(env: simpy.Environment, log: Log) -> None:
        def sleep(name: int, delays: list[float]) -> Steps:
            for delay in delays:
                try:
                    yield env.timeout(delay)
                    log.append((env.now, name))
                except simpy.Interrupt as interrupt:
                    log.append((env.now, name, interrupt.cause))
            return name

        def wake(delays: list[float], target: simpy.Process) -> Steps:
            for delay in delays:
                yield env.timeout(delay)
                if target.is_alive:
                    target.interrupt(delay)
            yield from _note(env, log, target)

        processes = [env.process(sleep(name, delays)) for name, delays in enumerate(sleeps)]
        for delays, target in wakes:
            env.process(wake(delays, processes[target % len(processes)]))

    for way in (_to_the_end, _to_instants, _step_by_step):
        assert _trail(Environment, program, way) == _trail(simpy.Environment, program, way)


def test_a_run_until_now_is_refused_with_both_instants() -> None:
    env = Environment()
    env.run(until=3)
    with pytest.raises(ValueError, match=r"until must be > now=3 s, got 2"):
        env.run(until=2)


# Timers

WAYS_WITHOUT_STEPS = [_to_the_end, _to_instants, _step_by_step, _to_an_event, _to_a_process]


@pytest.mark.parametrize("way", WAYS_WITHOUT_STEPS)
def test_a_timer_wakes_its_process_when_a_timeout_would(way: Any) -> None:
    def program(env: simpy.Environment, log: Log) -> None:
        def process(name: str, delays: list[float]) -> Steps:
            timer = Timer(env, 1) if isinstance(env, Environment) else None
            for place, delay in enumerate(delays):
                # Every third wait is an ordinary one.
                if timer is None or place % 3 == 2:
                    yield env.timeout(delay)
                else:
                    yield timer.at(env.now + delay)
                log.append((env.now, name, env.active_process is processes[name]))
            return name

        def parent() -> Steps:
            for name in ("b", "a"):
                yield from _note(env, log, processes[name])

        processes = {
            name: env.process(process(name, delays))
            for name, delays in [("a", [1, 2, 0, 1, 1]), ("b", [0.5, 2.5, 1, 0, 0, 3]), ("c", [])]
        }
        env.process(parent())

    assert _trail(Environment, program, way) == _trail(simpy.Environment, program, way)


def test_a_timer_is_set_for_an_exact_instant() -> None:
    env, seen = Environment(), []
    instants = [0.1, 0.1 + 0.2, 0.30000000000000016, 1e6 + 1e-9, 1e15 + 0.125]

    def process() -> Steps:
        timer = Timer(env, 0)
        for instant in instants:
            yield timer.at(instant)
            seen.append(env.now)

    env.process(process())
    env.run()
    assert seen == instants


def test_at_one_instant_priority_0_comes_first_and_then_who_was_set_first() -> None:
    env, seen = Environment(), []

    def process(name: str, priority: int) -> Steps:
        yield Timer(env, priority).at(2.0)
        seen.append(name)

    for name, priority in [("a1", 1), ("b0", 0), ("c1", 1), ("d0", 0)]:
        env.process(process(name, priority))
    env.run()
    assert seen == ["b0", "d0", "a1", "c1"]


def test_a_timer_can_be_fired_with_a_value() -> None:
    env, seen, timers = Environment(), [], []

    def waits() -> Steps:
        timers.append(Timer(env, 0))
        for _ in range(2):
            yield from _note(env, seen, timers[0])

    def fires() -> Steps:
        for value in ("one", "two"):
            yield env.timeout(3)
            timers[0].fire(value)

    env.process(waits())
    env.process(fires())
    env.run()
    assert seen == [(3, "one"), (6, "two")]


def test_a_timer_belongs_to_a_process() -> None:
    with pytest.raises(RuntimeError, match="made by the process"):
        Timer(Environment(), 0)


@pytest.mark.parametrize("way", WAYS_WITHOUT_STEPS)
def test_an_error_after_a_timer_comes_out_of_the_run(way: Any) -> None:
    env = Environment()

    def process() -> Steps:
        yield Timer(env, 0).at(1.0)
        raise LookupError("lost")

    env.process(process())
    with pytest.raises(LookupError, match="lost"):
        way(env, [])
    assert env.now == 1.0


def test_an_error_after_a_timer_can_be_handled_by_another_process() -> None:
    env, seen = Environment(), []

    def fails() -> Steps:
        yield Timer(env, 0).at(1.0)
        raise LookupError("lost")

    def handles() -> Steps:
        try:
            yield env.process(fails())
        except LookupError as error:
            seen.append((env.now, str(error)))

    env.process(handles())
    env.run()
    assert seen == [(1.0, "lost")]


def test_an_ordinary_wait_after_a_timer_can_be_interrupted() -> None:
    env, seen = Environment(), []

    def sleeper() -> Steps:
        yield Timer(env, 0).at(1.0)
        try:
            yield env.timeout(10)
        except simpy.Interrupt as interrupt:
            seen.append((env.now, interrupt.cause))
        yield env.timeout(2)
        seen.append(env.now)

    def waker(process: simpy.Process) -> Steps:
        yield env.timeout(4)
        process.interrupt("wake up")

    env.process(waker(env.process(sleeper())))
    env.run()
    assert seen == [(4, "wake up"), 6]


def test_what_is_no_event_is_refused_after_a_timer_as_after_anything_else() -> None:
    env = Environment()

    def process() -> Steps:
        yield Timer(env, 0).at(1.0)
        yield 5

    env.process(process())
    with pytest.raises(RuntimeError, match='Invalid yield value "5"'):
        env.run()


# A timer that waits for an answer until a deadline


Wait = tuple[float, float | None]
"""Until when an answer is waited for (s), and when it comes (s), if it does."""


def _waiter(env: Environment, log: Log, waits: list[Wait], priority: int = 0) -> Timer:
    """A process that waits for one answer after the other, each until a deadline of its own.

    Answers come by whatever priority; each is made after the wait for it has begun.
    """

    def answers(when: float, value: int) -> Steps:
        yield Timer(env, 1).at(when)
        timers[0].fire(value)

    def waiting() -> Steps:
        timers.append(timer := Timer(env, priority))
        for place, (deadline, answer) in enumerate(waits):
            if answer is not None:
                env.process(answers(answer, place))
            value = yield timer.until(deadline)
            log.append((env.now, value))

    timers: list[Timer] = []
    env.process(waiting())
    env.run(until=1e-9)
    return timers[0]


def _all_steps(env: simpy.Environment, log: Log) -> None:
    while env.peek() < float("inf"):
        env.step()


@pytest.mark.parametrize("way", [_to_the_end, _all_steps])
def test_an_answer_wakes_before_the_deadline_and_the_deadline_wakes_no_more(way: Any) -> None:
    env, log = Environment(), []
    _waiter(env, log, [(100.0, 5.0), (105.0, None), (200.0, 106.0)])
    way(env, [])
    # The first deadline, 100, comes up while the process waits until 105.
    assert log == [(5.0, 0), (105.0, None), (106.0, 2)]


@pytest.mark.parametrize("way", [_to_the_end, _all_steps])
def test_a_deadline_that_no_longer_counts_does_not_move_the_clock(way: Any) -> None:
    env, log = Environment(), []
    _waiter(env, log, [(100.0, 5.0)])
    way(env, [])
    assert (log, env.now) == ([(5.0, 0)], 5.0)


def test_an_answer_at_the_instant_of_the_deadline_is_in_time() -> None:
    for priority in (0, 1):
        env, log = Environment(), []
        _waiter(env, log, [(0.3, 0.3), (0.5, 0.1 + 0.4)], priority)
        env.run()
        assert log == [(0.3, 0), (0.5, 1)]


def test_a_deadline_of_now_gives_what_else_happens_now_its_chance() -> None:
    env, log = Environment(), []

    def asks() -> Steps:
        timers.append(timer := Timer(env, 0))
        yield from _note(env, log, timer.until(env.now, "too late"))
        yield from _note(env, log, timer.until(env.now, "too late"))

    def answers() -> Steps:
        yield env.timeout(0)
        timers[0].fire("in time")

    timers: list[Timer] = []
    env.process(asks())
    env.process(answers())
    env.run()
    assert log == [(0.0, "in time"), (0.0, "too late")]


def test_a_deadline_can_be_cancelled_so_that_only_an_answer_wakes() -> None:
    env, log = Environment(), []
    timer = _waiter(env, log, [(4.0, 9.0)])
    env.run(until=2.0)
    timer.cancel()
    env.run()
    assert log == [(9.0, 0)]


def test_a_timer_goes_on_to_be_set_for_instants_after_answers_and_deadlines() -> None:
    env, log = Environment(), []

    def process() -> Steps:
        timers.append(timer := Timer(env, 0))
        for _ in range(2):
            yield from _note(env, log, timer.until(env.now + 10))
            yield timer.at(env.now + 7)
            log.append(env.now)
            yield env.timeout(1)

    def answers() -> Steps:
        yield env.timeout(3)
        timers[0].fire("answer")

    timers: list[Timer] = []
    env.process(process())
    env.process(answers())
    env.run()
    assert log == [(3, "answer"), 10, (21, None), 28]


def test_a_process_that_is_ended_takes_its_deadline_with_it() -> None:
    env, log = Environment(), []
    timer = _waiter(env, log, [(50.0, None)])
    env.run(until=2.0)
    timer.end_process()
    env.run()
    assert (log, env.now) == ([], 2.0)


def test_deadlines_that_no_longer_count_do_not_pile_up_in_the_schedule() -> None:
    env, log = Environment(), []
    waits: list[Wait] = [(1e6 + place, 1.0 + place) for place in range(10_000)]
    _waiter(env, log, [*waits, (20_000.0, None)])
    env.run(until=9_999.0)
    assert len(env._queue) < 2_100
    env.run()
    assert log == [*((1.0 + place, place) for place in range(10_000)), (20_000.0, None)]


half = st.integers(0, 8).map(lambda halves: halves / 2)


@given(st.lists(st.tuples(half, half | st.none()), max_size=12), st.integers(0, 1))
@settings(max_examples=200)
def test_whichever_comes_first_wakes_at_its_exact_instant(
    gaps: list[tuple[float, float | None]], priority: int
) -> None:
    waits: list[Wait] = []
    expected: Log = []
    now = 0.0
    for place, (patience, delay) in enumerate(gaps):
        answered = delay is not None and delay <= patience
        # An answer that would come too late is none: its timer waits for something else by then.
        waits.append((now + patience, now + delay if answered else None))
        now += delay if answered else patience
        expected.append((now, place if answered else None))
    env, log = Environment(), []
    _waiter(env, log, waits, priority)
    env.run()
    assert log == expected
    assert env.now == max(now, 1e-9)
