"""The same policies decide the same in a simulation, in a thread pool and in an asyncio program."""

from __future__ import annotations

import asyncio
import heapq
import random
import sys
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event, Lock
from typing import Any, NamedTuple

import pytest
import simpy

from simlib.resilience import (
    AIMDLimit,
    BoundedQueue,
    Bulkhead,
    CircuitBreaker,
    DecorrelatedJitter,
    Retry,
    RetryBudget,
    RoundRobin,
    TokenBucket,
)

CALLS, ATTEMPTS = 60, 4


class Attempt(NamedTuple):
    """What the service will do."""

    takes: float
    ok: bool
    draw: float


class Script:
    """When calls are made and how each of their attempts will go, the same in each world."""

    def __init__(self, seed: int) -> None:
        stream = random.Random(seed)
        self.starts = sorted(stream.uniform(0, 30) for _ in range(CALLS))
        # What is sent in the middle fails: more or less from 8 to 16 s.
        self.attempts = [
            [
                Attempt(stream.uniform(0.1, 1), not 8 < start < 16, stream.random())
                for _ in range(ATTEMPTS)
            ]
            for start in self.starts
        ]


class Policies:
    """One breaker, one budget, one rule of retries for all calls, and a log of what they said."""

    def __init__(self) -> None:
        self.breaker = CircuitBreaker(rate=0.5, window=8, minimum=4, open_for=2.0, probes=2)
        self.budget = RetryBudget(ratio=0.3, maximum=4, initial=1)
        self.retry = Retry(ATTEMPTS, DecorrelatedJitter(base=0.2, most=3.0))
        self.log: list[tuple[float, int, str]] = []

    def call(self, number: int, attempts: list[Attempt]) -> Generator[float, float, None]:
        """One call: it yields how long to wait, and is sent what time it is then."""
        now = yield 0.0
        self.budget.earn()
        last = None
        for attempt, will in enumerate(attempts, 1):
            ticket = self.breaker.allow(now)
            self.say(now, number, "refused" if ticket is None else "sent")
            if ticket is not None:
                now = yield will.takes
                self.breaker.record(ticket, now, ok=will.ok)
                self.say(now, number, "ok" if will.ok else "failed")
                if will.ok:
                    return
            last = self.retry.pause(attempt, will.draw, last)
            if last is None or not self.budget.take():
                self.say(now, number, "gave up" if last is None else "over budget")
                return
            now = yield last

    def say(self, now: float, number: int, what: str) -> None:
        self.log.append((now, number, f"{what}, {self.breaker.state}, {self.budget.left:.3f}"))


def in_a_simulation(script: Script) -> Policies:
    policies, env = Policies(), simpy.Environment()

    def caller(number: int) -> Generator[simpy.Event, Any, None]:
        yield env.timeout(script.starts[number])
        call = policies.call(number, script.attempts[number])
        next(call)
        for wait in waits_of(call, lambda: env.now):
            yield env.timeout(wait)

    for number in range(CALLS):
        env.process(caller(number))
    env.run()
    return policies


def waits_of(call: Generator[float, float, None], now: Callable[[], float]) -> Iterator[float]:
    """The waits of a call, which is told the time after each."""
    while True:
        try:
            wait = call.send(now())
        except StopIteration:
            return
        yield wait


class ThreadClock:
    """Time goes on when all threads sleep: to the first that wakes."""

    def __init__(self, threads: int) -> None:
        self.now = 0.0
        self._lock = Lock()
        self._awake = threads
        self._sleepers: list[tuple[float, int, Event]] = []

    def sleep_until(self, at: float) -> None:
        woken = Event()
        with self._lock:
            heapq.heappush(self._sleepers, (at, id(woken), woken))
            self._one_less()
        assert woken.wait(60)

    def leave(self) -> None:
        with self._lock:
            self._one_less()

    def _one_less(self) -> None:
        self._awake -= 1
        if not self._awake and self._sleepers:
            self.now, _, woken = heapq.heappop(self._sleepers)
            self._awake = 1
            woken.set()


def in_a_thread_pool(script: Script) -> Policies:
    policies, clock = Policies(), ThreadClock(CALLS)

    def caller(number: int) -> None:
        try:
            clock.sleep_until(script.starts[number])
            call = policies.call(number, script.attempts[number])
            next(call)
            for wait in waits_of(call, lambda: clock.now):
                clock.sleep_until(clock.now + wait)
        finally:
            clock.leave()

    with ThreadPoolExecutor(CALLS) as pool:
        list(pool.map(caller, range(CALLS)))
    return policies


class LoopClock:
    """The same for the tasks of an event loop."""

    def __init__(self, tasks: int) -> None:
        self.now = 0.0
        self._awake = tasks
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    async def sleep_until(self, at: float) -> None:
        woken = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (at, id(woken), woken))
        self.leave()
        await woken

    def leave(self) -> None:
        self._awake -= 1
        if not self._awake and self._sleepers:
            self.now, _, woken = heapq.heappop(self._sleepers)
            self._awake = 1
            woken.set_result(None)


def in_an_asyncio_program(script: Script) -> Policies:
    policies, clock = Policies(), LoopClock(CALLS)

    async def caller(number: int) -> None:
        await clock.sleep_until(script.starts[number])
        call = policies.call(number, script.attempts[number])
        next(call)
        for wait in waits_of(call, lambda: clock.now):
            await clock.sleep_until(clock.now + wait)
        clock.leave()

    async def all_of_them() -> None:
        await asyncio.gather(*map(caller, range(CALLS)))

    asyncio.run(all_of_them())
    return policies


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_same_decisions_in_three_worlds(seed: int) -> None:
    script = Script(seed)
    simulated = in_a_simulation(script).log
    assert in_a_thread_pool(script).log == simulated
    assert in_an_asyncio_program(script).log == simulated
    said = " ".join(what for _, _, what in simulated)
    for word in ("refused, open", "sent, half_open", "ok, closed", "failed, open", "over budget"):
        assert word in said


# What threads do at the same time


@pytest.fixture
def impatient() -> Iterator[None]:
    """Threads take turns as often as can be."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def in_threads(work: Callable[[], int], threads: int = 8) -> int:
    """The sum of what each of several threads counts at the same time."""
    start = Barrier(threads)

    def begin() -> int:
        start.wait(60)
        return work()

    with ThreadPoolExecutor(threads) as pool:
        return sum(future.result() for future in [pool.submit(begin) for _ in range(threads)])


@pytest.mark.usefixtures("impatient")
def test_threads_take_no_more_than_there_is() -> None:
    bucket, budget = TokenBucket(rate=1, burst=500), RetryBudget(0.5, maximum=10**6, initial=0)
    assert in_threads(lambda: sum(bucket.take(0.0) for _ in range(200))) == 500
    in_threads(lambda: sum(budget.earn() is None for _ in range(200)))
    assert budget.left == 800
    assert in_threads(lambda: sum(budget.take() for _ in range(200))) == 800


@pytest.mark.usefixtures("impatient")
def test_threads_find_so_many_probes_and_places_and_no_more() -> None:
    breaker = CircuitBreaker(minimum=1, window=1, open_for=1, probes=7)
    ticket = breaker.allow(0.0)
    assert ticket is not None
    breaker.record(ticket, 0.0, ok=False)
    assert in_threads(lambda: sum(breaker.allow(1.0) is not None for _ in range(50))) == 7

    bulkhead, limit = Bulkhead(5, waiting=6), AIMDLimit(9)
    assert in_threads(lambda: sum(bulkhead.enter(0.0) is not None for _ in range(50))) == 11
    assert in_threads(lambda: sum(limit.enter() is not None for _ in range(50))) == 9

    routing = RoundRobin()
    assert in_threads(lambda: [routing.choose([0] * 4) for _ in range(50)].count(2)) == 100


@pytest.mark.usefixtures("impatient")
def test_threads_lose_nothing_in_a_queue_that_blocks() -> None:
    queue: BoundedQueue[int] = BoundedQueue(3, "block")
    let_in: list[int] = []
    in_threads(lambda: sum(bool(queue.put(n + 1, lambda: let_in.append(1))) for n in range(100)))
    assert (len(queue), queue.blocked) == (3, 797)
    total = in_threads(lambda: sum(queue.get() or 0 for _ in range(100)))
    assert total == 8 * sum(range(101))
    assert len(let_in) == 797


def test_no_lock_is_held_while_a_call_is_under_way() -> None:
    """Each call goes on only when another is under way, too."""
    breaker, bulkhead, limit = CircuitBreaker(), Bulkhead(2), AIMDLimit(2)
    both = Barrier(2)

    def call() -> int:
        ticket, visit, number = breaker.allow(0.0), bulkhead.enter(0.0), limit.enter()
        assert ticket is not None
        assert visit is not None
        assert number is not None
        both.wait(60)
        breaker.record(ticket, 1.0, ok=True)
        bulkhead.leave(visit, 1.0)
        limit.leave(number, ok=True)
        return 1

    assert in_threads(call, threads=2) == 2
