"""Stations in series."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from typing import ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from ..analysis.attempts import at_each_station
from ..analysis.metrics import Metric
from ..analysis.result import Result
from ..analysis.states import time_in
from ..distributions import Durations, Exponential
from ..processes import Draws, Environment, Ledger, Record
from ..processes.faults import faults_of_each
from ..processes.point_to_point.stations import StationQueue, Workers, feed
from ..queues import MemoryQueue
from ..values import Value, parameter
from .base import Progress, PublishingScenario
from .recursions import before, blocking_line, bounded_queue, draw, unbounded_queue

__all__ = ["Pipeline", "Station"]

Floats = NDArray[np.float64]


class Station(Value):
    """A queue and the consumers that compete for its messages, as a part of a line."""

    hints: ClassVar = {"when_full": "it is overflow"}

    service: Durations = parameter(
        Exponential(mean=1.0), "work that a message brings here", unit="s"
    )
    consumers: int = parameter(1, "how many consumers compete", step=1, ge=1, le=1000)
    capacity: int | None = parameter(
        None, "the most messages that may wait here; none: no bound", unit="messages", step=1, ge=0
    )
    overflow: Literal["block", "reject"] = parameter(
        "block", "what becomes of a message without room: its sender keeps it, or no one"
    )

    @property
    def blocks(self) -> bool:
        """Whether this station can hold up the one before it."""
        return self.capacity is not None and self.overflow == "block"

    @property
    def rejects(self) -> bool:
        """Whether this station can refuse messages."""
        return self.capacity is not None and self.overflow == "reject"


class Pipeline(PublishingScenario):
    """Messages pass through stations in series, each with a queue and consumers of its own.

    A consumer hands a finished message to the next station's queue. Where that is full, it either
    keeps the message and does nothing else until there is room ("block", backpressure), or the
    message is dropped ("reject"). When the first station blocks, the producer waits; ``created``
    still says when a message was due. A message brings the same work to a station whatever the
    others are like. An outage of the consumers is one at every station, of a ``share`` of them.

    The result has columns ``enqueued_n``, ``started_n``, ``finished_n`` and ``left_n`` (s) for
    station n, from 1; a message leaves later than it is finished when its consumer is blocked.
    ``enqueued`` and ``started`` are those of the first station, ``finished`` of the last.
    The summary's ``wait`` is the one before the first station; its ``utilisation`` and ``queue``
    figures are about all stations together. It adds, for each station, ``utilisation_n`` (time that
    a consumer works, as a fraction), ``blocked_n`` (that it is blocked) and ``queue_mean_n``
    (messages).
    """

    faults: ClassVar = {"consumers": ("hang", "slow")}
    figures: ClassVar[Mapping[str, Metric]] = {
        "utilisation_#": Metric("utilisation of station #", "%"),
        "blocked_#": Metric("blocked at station #", "%"),
        "queue_mean_#": Metric("waiting at station #, mean", "messages"),
    }

    stations: tuple[Station, ...] = parameter(
        (Station(), Station()), "what every message passes through, in order", min_length=1
    )

    @property
    def servers(self) -> int:
        """How many messages can be worked on at once: one per consumer."""
        return sum(station.consumers for station in self.stations)

    @property
    def slowest(self) -> float:
        """Work that a message brings per consumer of the slowest station (s)."""
        return max(station.service.average / station.consumers for station in self.stations)

    @model_validator(mode="after")
    def _enough_work(self) -> Self:
        for place, station in enumerate(self.stations):
            self._check_work(f"stations[{place}].service", station.service)
        return self

    def obstacle(self) -> str | None:
        if self.outages:
            return f"no recursion has outages, and it is {self.outages}"
        blocking = [place for place, station in enumerate(self.stations) if station.blocks]
        if not blocking:
            return None
        for place, station in enumerate(self.stations):
            if station.rejects:
                return f"stations[{place}] rejects and stations[{blocking[0]}] blocks"
            if station.consumers > 1:
                return f"stations[{place}].consumers is not 1 and stations[{blocking[0]}] blocks"
        return None

    def _simulate(self, env: Environment, progress: Progress | None) -> Result:
        last = len(self.stations)
        names = [
            f"{name}_{number}"
            for number in range(1, last + 1)
            for name in ("enqueued", "started", "finished", "left")
        ]
        record = Record(*names)
        with ExitStack() as stack:
            queues = [
                StationQueue(
                    env,
                    stack.enter_context(MemoryQueue(station.capacity or 0, clock=env.clock)),
                    record,
                    number,
                    capacity=station.capacity,
                    blocks=station.blocks,
                )
                for number, station in enumerate(self.stations, 1)
            ]
            env.process(
                feed(env, queues[0], self.interarrival, messages=self.messages, priority=last)
            )
            for station, inlet, outlet in zip(
                self.stations, queues, [*queues[1:], None], strict=True
            ):
                work = Draws(station.service, env.stream(f"service-{inlet.station}"))
                Workers(
                    env,
                    inlet,
                    outlet,
                    work,
                    faults=faults_of_each(
                        station.consumers, self.outages, env, f"consumer at {inlet.station},"
                    ),
                    priority=last - inlet.station,
                )
            self.execute(env, progress)
            ledgers = [each.ledger() for each in queues]
        created = np.array(record.created)
        known = ~np.isnan(created)
        refused = np.zeros(len(created), bool)
        refused[np.array(record.dropped, int)] = True
        return self._result(
            env,
            "simpy",
            created[known],
            {name: np.array(record.extra[name])[known] for name in names},
            refused[known],
            # What is done at one station is published at the next.
            replace(
                sum(ledgers[1:], ledgers[0]),
                published=ledgers[0].published,
                acked=ledgers[-1].acked,
            ),
        )

    def _calculate(self, env: Environment) -> Result:
        created = self.arrivals(env)
        works = [
            draw(station.service.blocks(env.stream(f"service-{number}")), len(created))
            for number, station in enumerate(self.stations, 1)
        ]
        if any(station.blocks for station in self.stations):
            columns = self._with_blocking(created, works)
        else:
            columns = self._one_after_another(created, works)
        columns = {name: before(self.duration, column) for name, column in columns.items()}
        refused = np.zeros(len(created), bool)
        arrived = created
        for number, station in enumerate(self.stations, 1):
            enqueued = columns[f"enqueued_{number}"]
            if station.rejects:
                refused |= ~np.isnan(arrived) & np.isnan(enqueued)
            arrived = columns[f"left_{number}"]
        # The producer doesn't get to what is due while it waits with another message.
        known = ~np.isnan(columns["enqueued_1"]) | refused
        columns = {name: column[known] for name, column in columns.items()}
        return self._result(env, "vector", created[known], columns, refused[known])

    def _with_blocking(self, created: Floats, works: list[Floats]) -> dict[str, Floats]:
        columns = {}
        line = blocking_line(created, works, [station.capacity for station in self.stations])
        for number, (enqueued, started, left) in enumerate(line, 1):
            columns[f"enqueued_{number}"] = enqueued
            columns[f"started_{number}"] = started
            columns[f"finished_{number}"] = started + works[number - 1]
            columns[f"left_{number}"] = left
        return columns

    def _one_after_another(self, created: Floats, works: list[Floats]) -> dict[str, Floats]:
        """Stations that don't hold each other up, each given what has left the one before."""
        columns = {}
        arrived, order = created, np.arange(len(created))
        for number, (station, work) in enumerate(zip(self.stations, works, strict=True), 1):
            if station.capacity is None:
                started = unbounded_queue(arrived, work[order], station.consumers)
            else:
                # Only the producer publishes several messages at once.
                started = bounded_queue(
                    arrived, work[order], station.consumers, station.capacity, together=number == 1
                )
            entered = ~np.isnan(started)
            arrived, started, order = arrived[entered], started[entered], order[entered]
            finished = started + work[order]
            for name, instants in (
                ("enqueued", arrived),
                ("started", started),
                ("finished", finished),
            ):
                columns[f"{name}_{number}"] = np.full(len(created), np.nan)
                columns[f"{name}_{number}"][order] = instants
            columns[f"left_{number}"] = columns[f"finished_{number}"]
            # Who finishes together goes on in the order in which they started.
            overtaking = np.argsort(finished, kind="stable")
            if self.duration is not None:
                overtaking = overtaking[finished[overtaking] < self.duration]
            arrived, order = finished[overtaking], order[overtaking]
        return columns

    def _result(
        self,
        env: Environment,
        engine: str,
        created: Floats,
        stations: Mapping[str, Floats],
        refused: NDArray[np.bool_],
        ledger: Ledger | None = None,
    ) -> Result:
        last = len(self.stations)
        columns = {
            "created": created,
            "enqueued": stations["enqueued_1"],
            "started": stations["started_1"],
            "finished": stations[f"finished_{last}"],
            **stations,
        }
        if any(station.rejects for station in self.stations[1:]):
            # A message that is refused further down leaves the system with the station before.
            gone = np.fmax.reduce(at_each_station(columns, "left"))
            columns["left"] = np.where(refused, gone, columns["finished"])
        result = self.calculated(env, columns, refused, ledger, engine)
        return replace(result, extras=self._at_stations(result))

    def _at_stations(self, result: Result) -> dict[str, float]:
        """What the consumers of each station do, and how long its queue is, on the average."""
        start, end = result.observed_from, result.duration
        time = end - start if end > start else np.nan
        figures: dict[str, float] = {}
        for number, station in enumerate(self.stations, 1):
            enqueued, started, finished, left = (
                column[~np.isnan(column)]
                for column in (
                    result.columns[f"{name}_{number}"]
                    for name in ("enqueued", "started", "finished", "left")
                )
            )
            consumers_time = time * station.consumers
            figures[f"utilisation_{number}"] = (
                time_in(started, finished, start, end) / consumers_time
            )
            figures[f"blocked_{number}"] = time_in(finished, left, start, end) / consumers_time
            figures[f"queue_mean_{number}"] = time_in(enqueued, started, start, end) / time
        return figures
