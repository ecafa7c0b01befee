"""The breaker that trips in the simulation trips over a socket, on the same trace of outcomes."""

from __future__ import annotations

from collections.abc import Generator
from random import Random
from typing import Any, NamedTuple

import pytest
import simpy

from simlib.calls import Outcome, Reply, Request
from simlib.live.http import HttpService, Policies, serve
from simlib.resilience import CircuitBreaker, DecorrelatedJitter, Retry, RetryBudget

CALLS, ATTEMPTS = 60, 3


class Attempt(NamedTuple):
    takes: float
    status: int
    draw: float


def trace(seed: int) -> tuple[list[float], list[Attempt]]:
    """Pauses between calls, and what becomes of each attempt that is sent, in order."""
    luck = Random(seed)
    pauses = [luck.expovariate(2.0) for _ in range(CALLS)]
    attempts = [
        Attempt(luck.uniform(0.05, 0.5), 503 if 12 < n < 24 else 200, luck.random())
        for n in range(CALLS * ATTEMPTS)
    ]
    return pauses, attempts


class World:
    """One breaker, one budget and one rule of retries, and what was seen of them."""

    def __init__(self) -> None:
        self.breaker = CircuitBreaker(rate=0.5, window=8, minimum=4, open_for=1.5, probes=2)
        self.budget = RetryBudget(ratio=0.3, maximum=4, initial=1)
        self.retry = Retry(ATTEMPTS, DecorrelatedJitter(base=0.1, most=2.0))
        self.log: list[tuple[float, str, str, float]] = []

    def say(self, now: float, outcome: str) -> None:
        self.log.append((round(now, 9), outcome, self.breaker.state, round(self.budget.left, 9)))


def simulated(seed: int) -> World:
    world, env = World(), simpy.Environment()
    pauses, attempts = trace(seed)
    will = iter(attempts)

    def caller() -> Generator[simpy.Event, Any, None]:
        for between in pauses:
            yield env.timeout(between)
            world.budget.earn()
            last, outcome = None, "refused"
            for attempt in range(1, ATTEMPTS + 1):
                ticket = world.breaker.allow(env.now)
                if ticket is None:
                    break
                now = next(will)
                yield env.timeout(now.takes)
                outcome = "ok" if now.status == 200 else "refused"
                world.breaker.record(ticket, env.now, ok=outcome == "ok")
                if outcome == "ok":
                    break
                last = world.retry.pause(attempt, now.draw, last)
                if last is None or not world.budget.take():
                    break
                yield env.timeout(last)
            world.say(env.now, outcome)

    env.process(caller())
    env.run()
    return world


class ByTrace:
    """Answers as the trace has it, and lets that much time pass."""

    def __init__(self, attempts: list[Attempt]) -> None:
        self.now, self.draw = 0.0, 0.0
        self._will = iter(attempts)

    def handle(self, request: Request) -> Reply:
        attempt = next(self._will)
        self.now += attempt.takes
        self.draw = attempt.draw
        return Reply(status=attempt.status)

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def over_a_socket(seed: int) -> World:
    world = World()
    pauses, attempts = trace(seed)
    service = ByTrace(attempts)
    policies = Policies(
        timeout=60.0,
        retry=world.retry,
        budget=world.budget,
        breaker=world.breaker,
        clock=lambda: service.now,
        sleep=service.sleep,
        draw=lambda: service.draw,
    )
    with serve(service) as server, HttpService(server.url, policies) as caller:
        for between in pauses:
            service.sleep(between)
            outcome = caller.handle(Request()).outcome
            assert outcome in (Outcome.OK, Outcome.REFUSED)
            world.say(service.now, outcome)
    return world


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_breaker_that_trips_in_the_simulation_trips_over_a_socket(seed: int) -> None:
    expected = simulated(seed).log
    assert over_a_socket(seed).log == expected
    states = [state for _, _, state, _ in expected]
    assert set(states) == {"closed", "open", "half_open"}
    assert states[-1] == "closed"
    assert len({left for *_, left in expected}) > 5
