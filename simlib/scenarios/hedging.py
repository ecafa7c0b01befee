"""A copy of each slow call: what does it cost the others, if servers have queues?"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from heapq import heappop, heappush
from math import inf, nan
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ..analysis.attempts import InVain
from ..analysis.forecast import Forecast
from ..analysis.metrics import Metric
from ..analysis.result import Result
from ..analysis.run_lengths import Needed, needed_by_queue
from ..calls import Outcome
from ..distributions import Arrivals, Durations, Exponential
from ..processes import Environment
from ..processes.attempts import DONE, Attempts
from ..theory import mm1
from .base import OpenScenario, parameter
from .calculated import Calculated
from .recursions import draw

__all__ = ["Hedging"]

Floats = NDArray[np.float64]


class Hedging(Calculated, OpenScenario):
    """Calls go to one of several servers by chance, and a slow one is made again to another.

    Each server has a queue of its own and does one call at a time, in their order. The first
    answer counts. With ``cancel`` the other copy is taken out of its queue or stopped in the middle
    at that instant; without, it is done for nobody. So a hedge is a retry, and makes load. The work
    of a copy is drawn anew.

    A row of the result is a request, with the instants of the copy that answered; those that were
    too late are among its ``attempts``, and ``utilisation`` counts them.
    """

    figures: ClassVar = {"hedged": Metric("calls with a copy", "%")}

    interarrival: Arrivals = parameter(
        Exponential(mean=0.0025), "time between one request and the next", unit="s"
    )
    service: Durations = parameter(Exponential(mean=0.01), "work that a call brings", unit="s")
    replicas: int = parameter(10, "servers, each with a queue", step=1, ge=2, le=1000)
    hedge_after: float | None = parameter(
        None, "when a call is made again; none: never", unit="s", step=0.001, gt=0
    )
    cancel: bool = parameter(True, "whether the slower copy stops when the faster one is done")

    @property
    def servers(self) -> int:
        """How many calls can be worked on at once: one per server."""
        return self.replicas

    def needed(self) -> Needed | None:
        """As if there were no copies: each server sees its part of the messages."""
        one = needed_by_queue(self.load, self.interarrival, self.service, 1)
        return one and one._replace(settled=one.settled * self.replicas)

    def doubted(self) -> list[str]:
        """What is risked with these parameters."""
        if self.hedge_after is None or self.cancel or self.load <= 0.5:
            return []
        return [
            f"copies that nobody cancels may double the load of {self.load:.3g}: above one half, "
            "slow calls can make so many copies that all calls are slow, for good"
        ]

    def forecast(self) -> Forecast:
        poisson = isinstance(self.interarrival, Exponential)
        if self.hedge_after is not None or not poisson or not isinstance(self.service, Exponential):
            why = "copies, and servers chosen by chance, have a formula for no hedges and M/M/1"
            return Forecast(model="none", why=why)
        if self.load >= 1:
            return Forecast(model="none", why=f"at a load of {self.load:.3g} queues only grow")
        one = mm1(self.arrival_rate / self.replicas, 1 / self.service.mean)
        return Forecast(
            model="M/M/1",
            why=f"each of {self.replicas} servers has its part of a Poisson process",
            predicted={
                "latency_mean": one.W,
                **{f"latency_p{q}": one.latency_percentile(q) for q in (50, 95, 99)},
                "utilisation": self.load,
            },
        )

    def _calculate(self, env: Environment) -> Result:
        created = self.arrivals(env)
        count = len(created)
        # Copy 2 i is the first call of request i, and copy 2 i + 1 the other one.
        works, places = np.empty(2 * count), np.empty(2 * count, np.int64)
        for which, name in enumerate(("service", "copies")):
            works[which::2] = draw(self.service.blocks(env.stream(name)), count)
        chance = env.stream("routing")
        places[::2] = chance.integers(self.replicas, size=count)
        # Another server, each as likely.
        places[1::2] = (places[::2] + chance.integers(1, self.replicas, size=count)) % self.replicas
        race = _Race(works.tolist(), places.tolist(), self.replicas)
        after = inf if self.hedge_after is None else self.hedge_after
        race.run(created.tolist(), after, self.duration or inf, stops=self.cancel)
        columns = {"created": created, "enqueued": created}
        columns |= {"started": np.array(race.started), "finished": np.array(race.finished)}
        hedged = len(race.sent_again) / count if count else nan
        result = self.calculated(env, columns, figures={"hedged": hedged})
        return replace(
            result,
            in_vain=InVain.of(race.in_vain),
            moves={"requeued": np.array(race.sent_again), "vanished": np.array(race.withdrawn)},
            ledger=replace(result.ledger, duplicates=len(race.in_vain)),
        )


class _Race:
    """Copies of requests, and the servers that work on them.

    Parameters
    ----------
    works : list of float
        What each copy brings (s); copies 2 i and 2 i + 1 are those of request i.
    places : list of int
        Which server each copy goes to.
    servers : int
    """

    def __init__(self, works: list[float], places: list[int], servers: int) -> None:
        requests = len(works) // 2
        self.started = [nan] * requests
        """When the copy that answered was begun (s), or one that is under way."""
        self.finished = [nan] * requests
        """When the request was answered (s)."""
        self.sent_again: list[float] = []
        """When copies were made (s)."""
        self.withdrawn: list[float] = []
        """When copies were taken out of a queue (s)."""
        self.in_vain = Attempts()
        """Work on copies that were too late."""
        self._works = works
        self._places = places
        self._begun = [nan] * len(works)
        self._pending = bytearray(len(works))
        self._answered = bytearray(requests)
        self._waiting: list[deque[int]] = [deque() for _ in range(servers)]
        self._serving = [-1] * servers
        self._ends: list[tuple[float, int]] = []

    def run(self, created: list[float], after: float, until: float, *, stops: bool) -> None:
        """Let time go on until all is done, or ``until`` (s).

        Of what happens at one instant work ends first, then copies are made, then requests come.
        """
        ends, coming, due = self._ends, 0, 0
        while True:
            end = ends[0][0] if ends else inf
            comes = created[coming] if coming < len(created) else inf
            # Requests are due for a copy in the order in which they came.
            copy_due = created[due] + after if due < coming else inf
            now = min(end, copy_due, comes)
            if now >= until:
                break
            if now == end:
                copy = heappop(ends)[1]
                if self._pending[copy]:
                    self._done(copy, now, stops)
            elif now == copy_due:
                if not self._answered[due]:
                    self.sent_again.append(now)
                    self._send(2 * due + 1, now)
                due += 1
            else:
                self._send(2 * coming, now)
                coming += 1
        for copy in self._serving:
            if copy >= 0 and self.started[copy >> 1] != self._begun[copy]:
                self._note(copy, nan, "in service")

    def _send(self, copy: int, now: float) -> None:
        place = self._places[copy]
        self._pending[copy] = True
        if self._serving[place] < 0:
            self._begin(place, copy, now)
        else:
            self._waiting[place].append(copy)

    def _begin(self, place: int, copy: int, now: float) -> None:
        self._serving[place] = copy
        self._begun[copy] = now
        if not self._answered[copy >> 1]:
            self.started[copy >> 1] = now
        heappush(self._ends, (now + self._works[copy], copy))

    def _done(self, copy: int, now: float, stops: bool) -> None:
        """The work on a copy is done: its answer is the first one, or nobody's any more."""
        request, other = copy >> 1, copy ^ 1
        if self._answered[request]:
            self._note(copy, now, DONE)
        else:
            self._answered[request] = True
            self.started[request], self.finished[request] = self._begun[copy], now
            if stops and self._pending[other]:
                self._stop(other, now)
        self._leave(copy, now)

    def _stop(self, copy: int, now: float) -> None:
        if self._serving[self._places[copy]] == copy:
            self._note(copy, now, Outcome.CANCELLED)
            self._leave(copy, now)
        else:
            self._pending[copy] = False
            self.withdrawn.append(now)

    def _note(self, copy: int, end: float, outcome: str) -> None:
        begun = self._begun[copy]
        self.in_vain.add(
            copy >> 1, begun, begun, end, outcome=outcome, by=self._places[copy], cause="hedge"
        )

    def _leave(self, copy: int, now: float) -> None:
        """A server is done with a copy, or is stopped, and takes the next one."""
        place = self._places[copy]
        self._pending[copy] = False
        self._serving[place] = -1
        waiting = self._waiting[place]
        while waiting and self._serving[place] < 0:
            following = waiting.popleft()
            if self._pending[following]:
                self._begin(place, following, now)
