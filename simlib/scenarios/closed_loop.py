"""A fixed number of callers, each of which waits for its reply before it goes on."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import replace
from math import inf
from typing import Any, ClassVar, Self

import numpy as np
from pydantic import model_validator

from ..analysis.forecast import Forecast
from ..analysis.result import Result
from ..analysis.run_lengths import Needed, needed_by_callers
from ..distributions import Durations, Exponential
from ..processes import Draws, Environment, Faults, Record, Service, SimQueue, Timer
from ..processes.faults import NO_FAULTS
from ..queues import MemoryQueue
from ..theory import closed
from .base import Progress, Scenario, parameter
from .recursions import closed_loop, draw

__all__ = ["ClosedLoop"]


class ClosedLoop(Scenario):
    """Callers think, call a service, wait for the reply, and think again.

    A slow service slows its callers down: there are never more requests than callers. That is what
    sets waiting for a reply apart from publishing, where arrivals know nothing of the service.

    A caller stops when all requests are made or about to be. From then on those that are left find
    the service less and less busy, so averages end when the first one stops.
    """

    faults: ClassVar = {"service": ("hang", "slow")}

    callers: int = parameter(20, "how many callers there are", step=1, ge=1, le=10_000)
    think: Durations = parameter(
        Exponential(mean=2.5), "time from a reply to the caller's next request", unit="s"
    )
    service: Durations = parameter(
        Exponential(mean=0.1), "work that a request brings to the service", unit="s"
    )
    workers: int = parameter(1, "requests that the service works on at once", step=1, ge=1, le=1000)
    messages: int = parameter(10_000, "how many requests are made", unit="messages", ge=1)
    warmup: int = parameter(
        0, "requests at the start that are left out of averages", unit="messages", ge=0
    )

    @model_validator(mode="after")
    def _enough(self) -> Self:
        if self.warmup >= self.messages:
            raise ValueError(
                f"warmup must be smaller than messages={self.messages}, got {self.warmup}"
            )
        for name, length in (("think", self.think.length), ("service", self.service.length)):
            if length is not None and length < self.messages:
                raise ValueError(
                    f"{name} must hold a value for each of {self.messages} requests, got {length}"
                )
        return self

    @property
    def servers(self) -> int:
        """How many requests can be worked on at once: one per worker."""
        return self.workers

    def forecast(self) -> Forecast:
        if self.outages:
            return Forecast(model="none", why="outages is set, and no formula here knows it")
        if not isinstance(self.service, Exponential):
            return Forecast(model="none", why="machine repair has a formula for exponential work")
        found = closed(self.callers, self.think.average, 1 / self.service.mean, self.workers)
        return Forecast(
            model="machine repair",
            why=f"{self.callers} callers who think and wait, exponential work",
            predicted={
                "throughput": found.throughput,
                "latency_mean": found.R,
                "utilisation": found.utilisation,
                "in_system_mean": found.L,
            },
        )

    def needed(self) -> Needed | None:
        return needed_by_callers(self.callers, self.think, self.service, self.workers)

    def obstacle(self) -> str | None:
        return f"no recursion has outages, and it is {self.outages}" if self.outages else None

    def _calculate(self, env: Environment) -> Result:
        works = draw(self.service.blocks(env.stream("service")), self.messages)
        thinks = draw(self.think.blocks(env.stream("think")), self.messages)
        created, started, stopped = closed_loop(thinks, works, self.callers, self.workers)
        # Calls have the numbers in whose order callers began to think.
        order = np.argsort(created, kind="stable")
        created, started, works = created[order], started[order], works[order]
        columns = {"created": created, "enqueued": created, "started": started}
        columns |= {"finished": started + works}
        return _observed(self.calculated(env, columns, observed_until=stopped))

    def _simulate(self, env: Environment, progress: Progress | None) -> Result:
        record = Record()
        record.prepare(self.messages)
        with MemoryQueue() as real:
            inbox = SimQueue(env, real, record=record)
            work = Draws(self.service, env.stream("service"))
            faults = Faults(self.outages, env) if self.outages else NO_FAULTS
            service = Service(env, inbox, work, workers=self.workers, faults=faults)
            think = Draws(self.think, env.stream("think"))
            numbers = iter(range(self.messages))
            stopped: list[float] = []
            for _ in range(self.callers):
                env.process(_call_again_and_again(env, service, think, numbers, stopped))
            env.run()
            ledger = inbox.ledger()
        if progress is not None:
            progress(1.0)
        return _observed(self.result(env, record, ledger, observed_until=stopped[0]))


def _observed(result: Result) -> Result:
    """The result, observed to its end if the first caller stopped before the warm-up was over."""
    # Then there is nothing else to look at.
    return result if len(result.latency[result.observed]) else replace(result, observed_until=inf)


def _call_again_and_again(
    env: Environment,
    service: Service,
    think: Draws,
    numbers: Iterator[int],
    stopped: list[float],
) -> Generator[Timer, Any, None]:
    """One caller, until all requests are made; it writes down when it stops (s)."""
    created = service.queue.record.created
    timer = Timer(env, 1)
    for number in numbers:
        yield timer.at(env.now + think[number])
        created[number] = env.now
        yield from service.call(number).wait(timer)
    stopped.append(env.now)
