"""Call and wait, or put it in a queue?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from ..analysis.metrics import Metric
from ..analysis.result import Result
from ..distributions import Arrivals, Durations, Exponential
from ..processes import (
    Caller,
    Consumer,
    Draws,
    Environment,
    Faults,
    Ledger,
    Producer,
    Publisher,
    Record,
    Service,
    SimQueue,
)
from ..processes.calls.front import FrontService
from ..processes.faults import NO_FAULTS
from ..processes.network import across
from ..processes.record import instants
from ..queues import MemoryQueue
from .base import OpenScenario, Progress, parameter
from .callers import CALLER, seen_by_callers
from .recursions import before, calls, draw, staged_queue

__all__ = ["SyncVsAsync"]


class SyncVsAsync(OpenScenario):
    """A front service handles users' requests, and each needs work from another service.

    In mode "sync" a connection calls the other service and waits for its reply; in mode "async" it
    puts the request into a queue and goes on once that has confirmed. Everything else is the same:
    with the same seed, each request arrives at the same instant and brings the same work.

    When the other service goes down, the calls in it fail, and later ones are refused until it is
    up again. Messages wait in the queue instead, and work that was cut short starts again. When the
    network hangs, whoever waits for an answer or a confirmation holds its connection longer.
    """

    faults: ClassVar = {"service": ("crash", "hang", "slow"), "network": ("hang",)}
    hints: ClassVar = {
        "outage": "write outages=(Outage(of='service', start=5.0, duration=1.0),)",
        "slowdown": "write outages=(Outage(of='service', kind='slow', factor=3.0, start=5.0),)",
    }
    figures: ClassVar[Mapping[str, Metric]] = CALLER

    interarrival: Arrivals = parameter(
        Exponential(mean=0.03125), "time between one request and the next", unit="s"
    )
    service: Durations = parameter(
        Exponential(mean=0.1), "work that a request brings to the other service", unit="s"
    )
    mode: Literal["sync", "async"] = parameter("sync", "call and wait, or publish and go on")
    workers: int = parameter(
        4, "requests that the other service works on at once", step=1, ge=1, le=1000
    )
    connections: int = parameter(
        16, "connections that the front service has", step=1, ge=1, le=10_000
    )
    network: float = parameter(
        0.01, "time that anything is under way between two services", unit="s", ge=0
    )
    put_cost: float = parameter(0.005, "time until a put is stored", unit="s", ge=0)
    get_cost: float = parameter(0.001, "time that a get takes a worker", unit="s", ge=0)
    ack_cost: float = parameter(0.001, "time that an ack takes a worker", unit="s", ge=0)
    capacity: int | None = parameter(
        None,
        "the most requests that may wait for a worker; none: no bound",
        unit="messages",
        step=1,
        ge=0,
    )

    @property
    def servers(self) -> int:
        """How many requests can be worked on at once: one per worker."""
        return self.workers

    @property
    def places(self) -> int | None:
        return self.capacity

    @property
    def offered_load(self) -> float:
        """``load`` with gets and acks, or what arrives per connection, if that is more."""
        each, held = self.service.average, self.service.average
        if self.mode == "async":
            each, held = each + self.get_cost + self.ack_cost, self.put_cost
        connections = (held + 2 * self.network) / self.connections
        return self.arrival_rate * max(each / self.workers, connections)

    def obstacle(self) -> str | None:
        for name in ("capacity", "outages"):
            if getattr(self, name) not in (None, ()):
                return f"no recursion has {name}, and it is {getattr(self, name)}"
        return None

    def _calculate(self, env: Environment) -> Result:
        created = self.arrivals(env)
        works = draw(self.service.blocks(env.stream("service")), len(created))
        columns = {"created": created}
        if self.mode == "sync":
            connected, started = calls(created, works, self.connections, self.workers, self.network)
            columns |= {"enqueued": connected + self.network, "started": started}
            columns |= {"finished": started + works, "answered": started + works + self.network}
        else:
            put = (self.network, self.put_cost)
            connected = staged_queue(created, (*put, self.network), self.connections)
            stored = connected + self.network + self.put_cost
            stages = (self.get_cost, works, self.ack_cost)
            delivered = staged_queue(stored, stages, self.workers)
            started = delivered + self.get_cost
            columns |= {"enqueued": stored, "started": started, "finished": started + works}
            columns |= {"answered": stored + self.network}
            if self.get_cost:
                columns["delivered"] = delivered
            if self.ack_cost:
                columns["acked"] = columns["finished"] + self.ack_cost
        columns = {name: before(self.duration, column) for name, column in columns.items()}
        return self.calculated(
            env,
            columns,
            ledger=_count(columns, before(self.duration, connected)),
            figures=seen_by_callers((columns["answered"] - created)[self.warmup :]),
        )

    def _simulate(self, env: Environment, progress: Progress | None) -> Result:
        record = Record("answered")
        with MemoryQueue(clock=env.clock) as doorway, MemoryQueue(self.capacity or 0) as middle:
            # A request is at the door the moment it is created; `enqueued` is for the inner queue.
            door = SimQueue(env, doorway, record=record, stored=record.created)
            inner, front = self._other_service(env, door, middle)
            Producer(env, door, self.interarrival, messages=self.messages)
            self.execute(env, progress)
            ledger = _ledger(door, inner)
        figures = seen_by_callers(_answered(record, front)[self.warmup :])
        return self.result(env, record, ledger, figures=figures)

    def _other_service(
        self, env: Environment, door: SimQueue, middle: MemoryQueue
    ) -> tuple[SimQueue, FrontService]:
        """Where requests wait for the other service, and who sends them there."""
        outages = self.outages_of("service")
        faults = Faults(outages, env, "outage") if outages else NO_FAULTS
        network = across(env, self.network, self.outages_of("network"))
        work = Draws(self.service, env.stream("service"))
        if self.mode == "sync":
            inner = SimQueue(env, middle, capacity=self.capacity, record=door.record)
            service = Service(env, inner, work, workers=self.workers, faults=faults)
            caller = Caller(env, door, service, connections=self.connections, network=network)
            return inner, caller
        inner = SimQueue(
            env,
            middle,
            capacity=self.capacity,
            put_cost=self.put_cost,
            get_cost=self.get_cost,
            ack_cost=self.ack_cost,
            record=door.record,
        )
        Consumer(env, inner, work, workers=self.workers, faults=faults)
        publisher = Publisher(env, door, inner, connections=self.connections, network=network)
        return inner, publisher


def _answered(record: Record, front: FrontService) -> NDArray[np.float64]:
    """From creation to the caller's answer (s), NaN for a request that failed."""
    times: NDArray[np.float64] = np.array(record.extra["answered"]) - np.array(record.created)
    times[np.array(front.failed, int)] = np.nan
    return times


def _count(columns: Mapping[str, NDArray[np.float64]], connected: NDArray[np.float64]) -> Ledger:
    """Where every request is, from the instants that came to pass (s)."""
    inside = columns["enqueued"], instants(columns, "delivered")
    reached = [int(np.count_nonzero(~np.isnan(column))) for column in (connected, *inside)]
    has_connection, stored, taken = reached
    acked = int(np.count_nonzero(~np.isnan(instants(columns, "acked"))))
    published = len(connected)
    ready = published - has_connection + stored - taken
    return Ledger(published=published, acked=acked, ready=ready, unacked=published - ready - acked)


def _ledger(door: SimQueue, inner: SimQueue) -> Ledger:
    """Where every request is, in two real queues and on the way between them."""
    outside, inside = door.ledger(), inner.ledger()
    record = door.record
    refused = len(record.lost) - inside.lost
    under_way = outside.published - outside.ready - inside.published - refused
    return Ledger(
        published=outside.published,
        acked=inside.acked,
        ready=outside.ready + inside.ready,
        unacked=inside.unacked + under_way,
        dropped=inside.dropped,
        lost=len(record.lost),
        duplicates=inside.duplicates,
        redelivered=inside.redelivered,
        redone=inside.redone,
    )
