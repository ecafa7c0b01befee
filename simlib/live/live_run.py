"""A scenario on the real thing: the same messages, due at the same instants, with the same work.

Due times and works are drawn beforehand, from the streams that a simulation with the same seed
draws from. An open-loop driver sends them, by the clock on the wall, and what comes out is a
:class:`Result` as a simulation gives it, with its tables, series, ledger, spans and doubts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf, nan
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..analysis.result import Result
from ..processes import Environment, Ledger, Record
from ..processes.attempts import DONE
from ..scenarios import OpenScenario
from ..scenarios.recursions import draw
from .child import RECEIVED, SENT
from .crew import Crew, crew
from .open_loop import clock
from .target import Target

__all__ = ["Driver", "LiveResult", "LiveRun"]

Floats = NDArray[np.float64]

MOST_MESSAGES = 100_000
WARM = 20
"""Messages that are sent and done before time begins."""
SENDERS = 32
"""Threads that make calls, each of which waits for its reply."""
LEAD = 0.05
"""Seconds from the word to the instant at which time begins, so that all have heard it."""

DRIVEN = {"interarrival", "service", "messages", "duration", "warmup", "consumers", "capacity"}
"""Parameters that the real thing follows."""
MACHINE = {"put_cost", "get_cost", "ack_cost", "costs", "one_lock", "processors", "queue"}
"""Parameters that stand for the machine: here it speaks for itself."""


@dataclass(frozen=True, kw_only=True)
class Driver:
    """How well the driver itself did: what it was late with is not the target's fault."""

    late_p50: float
    """Median of how late it sent by its own fault (s)."""
    late_p95: float
    """95th percentile of that (s)."""
    achieved: float
    """The rate at which it sent, as a part of the rate at which messages were due."""
    processor: float
    """The part of a processor that it took."""
    fastest: float
    """Messages per second that it can send to a target that does nothing."""
    asked: float
    """Messages per second that were due; infinite if all were due at once."""

    def limits(self, latency: Floats) -> list[str]:
        """Why it, and not the target, may have been the limit, going by the latencies found (s).

        Its lateness is part of each latency. At the median it may be a twentieth of what was
        measured; at the 95th percentile, of which nobody expects more than half to be right, a
        quarter. Half a processor leaves the other half for whatever else its thread waits for.
        """
        said = []
        if len(latency):
            for name, late, share in (
                ("p50", self.late_p50, 0.05),
                ("p95", self.late_p95, 0.25),
            ):
                found = float(np.percentile(latency, int(name[1:])))
                if late > share * found:
                    said.append(
                        f"the driver was the limit: its own lateness, {1e3 * late:.2g} ms at "
                        f"{name}, is more than {share:.0%} of the {1e3 * found:.2g} ms measured"
                    )
        if self.asked < inf and self.achieved < 0.98:
            said.append(
                f"the driver was the limit: it sent at {self.achieved:.0%} of the rate asked for"
            )
        if self.asked < inf and self.processor > 0.5:
            said.append(f"the driver was the limit: it took {self.processor:.0%} of a processor")
        if self.fastest < 2 * self.asked < inf:
            said.append(
                f"the driver was the limit: to a target that does nothing it sends "
                f"{self.fastest:,.0f}/s, less than twice the {self.asked:,.0f}/s asked for"
            )
        return said


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class LiveResult(Result):
    """What happened in one run on the real thing. Every instant is in seconds since its start."""

    driver: Driver
    """How well the driver did."""
    cut_off: bool = field(default=False)
    """Whether the time that a run may take was up before everything was done."""

    def doubts(self) -> tuple[str, ...]:
        found = (*self.driver.limits(self.latency_known), *super().doubts())
        return ("the run was cut off, for its time was up", *found) if self.cut_off else found

    @property
    def limited(self) -> bool:
        """Whether the driver, and not the target, may have been the limit."""
        return bool(self.driver.limits(self.latency_known))

    @property
    def latency_known(self) -> Floats:
        """Latencies that averages are over, of those that finished (s)."""
        latency = self.latency[self.observed]
        return latency[~np.isnan(latency)]


@dataclass(frozen=True)
class LiveRun:
    """A scenario on the real thing; ``run`` makes it.

    Parameters
    ----------
    scenario : PointToPoint, FromParts
        What is due when, how much work it brings, and how many consumers there are. What it says
        of the machine (costs of operations) does not count: the machine is there.
    target : Target
        What messages are sent through.
    most : float
        The most seconds that messages may be due in, and that the run may take.
    where : path, optional
        The directory on the disk in question, in which one is made and removed.
    elsewhere : bool
        Whether the target may be on another machine than this one.

    Examples
    --------
    >>> from simlib.live import LiveRun
    >>> from simlib.live.targets import Queue
    >>> from simlib.scenarios import PointToPoint
    >>> shop = PointToPoint(interarrival=0.002, service=0.001, messages=20)
    >>> LiveRun(shop, Queue(kind="memory")).run(seed=1).ledger.acked
    20
    """

    scenario: OpenScenario
    target: Target
    most: float = 60.0
    where: Path | None = None
    elsewhere: bool = False

    def __post_init__(self) -> None:
        scenario, target = self.scenario, self.target
        if not isinstance(scenario, OpenScenario) or "consumers" not in dict(scenario):
            raise TypeError(
                "scenario must be one of messages that consumers compete for, such as "
                f"PointToPoint, got {type(scenario).__name__}"
            )
        if not isinstance(target, Target):
            raise TypeError(f"target must be one of simlib.live.targets, got {target!r}")
        if problem := target.obstacle():
            raise ValueError(f"target: {problem}")
        if not 0 < self.most <= 600:
            raise ValueError(f"most must be > 0 s and <= 600 s, got {self.most!r}")
        # A server's host may be a directory with its socket.
        here = target.host in ("127.0.0.1", "localhost", "::1") or target.host.startswith("/")
        if not here and not self.elsewhere:
            raise ValueError(
                f"target is on {target.host}, and not on this machine: give elsewhere=True if that "
                "is meant"
            )
        self._check_parameters()

    def _check_parameters(self) -> None:
        given = dict(self.scenario)
        followed = DRIVEN | MACHINE | (set() if self.target.calls else {"batch_size"})
        for name, info in type(self.scenario).model_fields.items():
            if name not in followed and given[name] != info.get_default():
                raise ValueError(
                    f"a live run through {self.target.name} has no {name}, and it is {given[name]}"
                )
        kind = given.get("queue", "memory")
        if kind not in ("memory", getattr(self.target, "kind", kind)):
            raise ValueError(f"queue is {kind!r}, and the target is {self.target.name}")
        if given.get("capacity") == 0 or (given.get("capacity") and self.target.calls):
            raise ValueError(
                f"a live run through {self.target.name} has no capacity={given['capacity']}"
            )

    def run(self, seed: int = 0) -> LiveResult:
        """Run once; what is due when, and its work, are those of a simulation with this seed.

        Raises
        ------
        LiveError
            A process failed, or did not start.
        ConnectionError, QueueError, ImportError
            No server answers, or its client is not installed.
        """
        scenario, target = self.scenario, self.target
        env = Environment(seed)
        due = scenario.arrivals(env)
        if not 0 < len(due) <= MOST_MESSAGES:
            raise ValueError(f"a live run has 1 to {MOST_MESSAGES:,} messages, got {len(due):,}")
        if due[-1] > self.most:
            raise ValueError(
                f"the last message is due after {due[-1]:.3g} s, and most is {self.most:g} s: take "
                "fewer messages, or a larger most"
            )
        works = draw(scenario.service.blocks(env.stream("service")), len(due))
        given = dict(scenario)
        maxsize = given.get("capacity") or 0
        senders = SENDERS if target.calls else 1
        warm = 1 if target.calls else min(WARM, maxsize or WARM)
        with crew(target, self.where) as team, target.made(team.directory, maxsize) as where:
            team.plan(
                due,
                works,
                where=where,
                maxsize=maxsize,
                senders=senders,
                warm=warm,
                batch_size=given.get("batch_size", 1),
            )
            running = _Running(team, len(due), senders * warm, given["consumers"])
            ended = running.run(min(self.most, given.get("duration") or inf))
            team.end()
            team.check()
            return self._result(env, due, running, ended)

    def _result(self, env: Environment, due: Floats, running: _Running, ended: float) -> LiveResult:
        """What the logs tell, with time counted from the start; what came later did not come."""
        sent, received = running.columns(ended)
        record = _record(due, sent, received, calls=self.target.calls)
        if dict(self.scenario).get("batch_size", 1) > 1:
            _label_batches(record)
        driver = _driver(due, sent, running.told, alone=not self.target.calls)
        columns = {name: np.frombuffer(each, float) for name, each in record.columns.items()}
        acked = ~np.isnan(columns["finished" if self.target.calls else "acked"])
        started = ~np.isnan(columns["started"]) & ~acked
        dropped = len(record.dropped)
        ledger = Ledger(
            published=len(due),
            acked=int(acked.sum()),
            unacked=int(started.sum()),
            ready=int(len(due) - acked.sum() - started.sum() - dropped),
            dropped=dropped,
            duplicates=len(record.attempts),
            redelivered=record.redelivered(),
            redone=record.redone(),
        )
        facts: dict[str, Any] = {
            "scenario": self.scenario,
            "seed": env.seed,
            "engine": f"live: {self.target.name}",
            "warmup": self.scenario.warmup,
            "servers": dict(self.scenario)["consumers"],
            "ledger": ledger,
            "driver": driver,
        }
        asked = dict(self.scenario).get("duration") or inf
        over = not ledger.unfinished
        return LiveResult.from_record(  # type: ignore[return-value]
            record,
            duration=None if over else ended,
            cut_off=not over and ended < asked,
            **facts,
        )


class _Running:
    """The processes of one run, from their start to their end."""

    def __init__(self, team: Crew, messages: int, warm: int, consumers: int) -> None:
        self.team, self.messages, self.warm, self.consumers = team, messages, warm, consumers
        self.start = 0.0
        self.told: Mapping[str, float] = {}
        self._sent = "sent"
        self._received: list[str] = []

    def run(self, most: float) -> float:
        """Run until everything is done, or time is up; when that was (s since the start)."""
        team, target = self.team, self.team.target
        if target.calls:
            server = team.start("serve", self.consumers)
            self._received = [str(server)]
            team.must("the start", lambda: bool(team.said("ready", server)))
            driver = team.start("send")
            self._sent = str(driver)
        elif target.together:
            driver = team.start("together", self.consumers)
            self._received = [str(driver)]
        else:
            each = 1 if target.processes else self.consumers
            for first in range(0, self.consumers, each):
                self._received.append(str(team.start("receive", first, each)))
            driver = team.start("send")
            self._sent = str(driver)
        everyone = {driver, *map(int, self._received)}
        team.must("the start", lambda: all(team.said("ready", each) for each in everyone))
        team.must("the warm-up", self._warmed_up)
        self.start = clock() + LEAD
        team.go(self.start)
        team.wait("the run", self._done, most + LEAD, every=0.02)
        ended = min(most, clock() - self.start)
        self.told = team.said("sent", driver) or {}
        return ended

    def _warmed_up(self) -> bool:
        """Whether everything that was sent before time begins is done."""
        return sum(self.team.length(each, RECEIVED) for each in self._received) >= self.warm

    def _done(self) -> bool:
        """Whether all that was sent is done."""
        team, warm = self.team, self.warm
        if team.length(self._sent, SENT) < warm + self.messages:
            return False
        if team.target.calls:
            return True
        returned = team.rows(self._sent, SENT)["returned"]
        dropped = int(np.isnan(returned).sum())
        rows = sum(team.length(each, RECEIVED) for each in self._received)
        if rows < warm + self.messages - dropped:
            return False
        done = {
            number
            for each in self._received
            for number in team.rows(each, RECEIVED)["number"].tolist()
            if number >= 0
        }
        return len(done) >= self.messages - dropped

    def columns(self, ended: float) -> tuple[dict[str, Floats], dict[str, Floats]]:
        """The logs without the warm-up, with time counted from the start (s)."""
        logs = [self.team.rows(self._sent, SENT)]
        every = [self.team.rows(each, RECEIVED) for each in self._received]
        logs.append({name: np.concatenate([log[name] for log in every]) for name in RECEIVED})
        for log in logs:
            real = log["number"] >= 0
            for name in log:
                log[name] = log[name][real]
            for name in ("sent", "returned", "started", "finished", "acked"):
                if name in log:
                    instants = log[name] - self.start
                    log[name] = np.where(instants <= ended, instants, nan)
        order = np.argsort(logs[1]["started"], kind="stable")
        return logs[0], {name: column[order] for name, column in logs[1].items()}


def _record(
    due: Floats, sent: Mapping[str, Floats], received: Mapping[str, Floats], *, calls: bool
) -> Record:
    """What happened to each message."""
    record = Record("sent") if calls else Record("sent", "acked")
    record.prepare(len(due))
    record.label("consumer")
    columns = {name: np.frombuffer(each, float) for name, each in record.columns.items()}
    who = np.frombuffer(record.labels["consumer"], np.int64)
    columns["created"][:] = due
    numbers = sent["number"].astype(int)
    columns["sent"][numbers] = sent["sent"]
    returned = np.full(len(due), nan)
    returned[numbers] = sent["returned"]
    latest: dict[int, int] = {}
    for row, number in enumerate(received["number"].astype(int).tolist()):
        if number in latest:
            _in_vain(record, number, received, latest[number])
        latest[number] = row
    done, rows = np.array(list(latest), int), np.array(list(latest.values()), int)
    for name in ("started",) if calls else ("started", "finished", "acked"):
        columns[name][done] = received[name][rows]
    # A message of which the start is not known was never taken, whatever else is written of it.
    who[done] = np.where(np.isnan(columns["started"][done]), -1, received["by"][rows].astype(int))
    if calls:
        columns["enqueued"][:] = columns["sent"]
        columns["finished"][:] = returned
    else:
        columns["enqueued"][:] = np.fmin(returned, columns["started"])
        full = np.isnan(sent["returned"]) & ~np.isnan(sent["sent"])
        taken = ~np.isnan(columns["started"])
        record.dropped.extend(int(each) for each in numbers[full] if not taken[each])
    return record


def _in_vain(record: Record, number: int, rows: Mapping[str, Floats], row: int) -> None:
    """A delivery whose work was done, and that was made again."""
    start, end, acked = (float(rows[name][row]) for name in ("started", "finished", "acked"))
    by = int(rows["by"][row])
    record.attempts.add(number, start, start, end, acked, outcome=DONE, by=by, cause="ack lost")
    record.moves.requeued.append(acked)


def _label_batches(record: Record) -> None:
    """Number the pieces of work that were done on several messages together."""
    record.label("batch")
    started = np.frombuffer(record.started, float)
    who = np.frombuffer(record.labels["consumer"], np.int64)
    taken = ~np.isnan(started)
    pieces = np.unique(np.column_stack([started, who])[taken], axis=0, return_inverse=True)[1]
    np.frombuffer(record.labels["batch"], np.int64)[taken] = pieces.ravel()


def _driver(
    due: Floats, sent: Mapping[str, Floats], told: Mapping[str, float], *, alone: bool
) -> Driver:
    """How well the driver did. A producer that is ``alone`` can't send before its last put has
    returned, which is the target's time; of those who make calls one should always be free."""
    order = np.argsort(sent["number"])
    when = due[sent["number"].astype(int)[order]]
    earliest = when
    if alone:
        returned = np.where(np.isnan(sent["returned"]), sent["sent"], sent["returned"])[order]
        earliest = np.maximum(when, np.concatenate([[0.0], returned[:-1]]))
    late = np.maximum(0.0, sent["sent"][order] - earliest)
    p50, p95 = np.nanpercentile(late, [50, 95]) if np.isfinite(late).any() else (nan, nan)
    # How far it fell behind: what it lost between sends while messages waited to be sent.
    behind = np.nansum(late[earliest > when]) if alone else (late[-1] if len(late) else 0.0)
    span = float(due[-1])
    took = told.get("time", nan)
    return Driver(
        late_p50=float(p50),
        late_p95=float(p95),
        achieved=span / (span + float(behind)) if span > 0 else 1.0,
        processor=told.get("processor_time", nan) / took if took else nan,
        fastest=told.get("fastest", nan),
        asked=len(due) / span if span > 0 else inf,
    )
