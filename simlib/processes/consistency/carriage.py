"""A pattern on simulated time: requests, relays and readers, who crash and are started again.

The steps are those of ``simlib.stores``, on real databases and real queues. What is simulated is
how long they take: a publish takes the time of a put, whatever is sent is under way for a while,
and a service that is asked is asked there and back. All else takes no time.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from functools import partial
from math import isnan
from typing import Any

from ...queues import MemoryQueue, Message
from ...stores import PATTERNS, CrashError, Dedup, Services, Steps
from ...stores.steps import go_on
from ..environment import Environment, Timer
from ..line import Line
from ..record import Ledger, Record

__all__ = ["Carriage"]

Wait = Generator[Timer, Any, Any]

ASKED = {"reserve": "stock", "release": "stock", "charge": "bank"}
"""Whom a conductor asks for each of these."""


class Carriage:
    """Orders that are carried through the services by one pattern.

    An order is finished when all that it brings about is done: paid and reserved, or the saga at
    its end. In the record a row is an order; the work itself takes no time.

    Parameters
    ----------
    env : Environment
    services : Services
        Their databases.
    pattern : str
        One of :data:`simlib.stores.PATTERNS`.
    dedup : str
        One of :data:`simlib.stores.DEDUP`.
    put_cost : float
        How long a publish and its mark take (s).
    network : float
        How long anything is under way from one service to another (s).
    polling : float or None
        How long a relay sleeps after each look (s); None: it is told of each commit.
    restart : float or None
        How long it takes to start again what has crashed (s); None: it stays down.
    passed : callable
        Told of each step that is done; raises :class:`simlib.stores.CrashError` for a crash.
    """

    def __init__(
        self,
        env: Environment,
        services: Services,
        pattern: str,
        *,
        dedup: Dedup = "inbox",
        put_cost: float = 0.0,
        network: float = 0.0,
        polling: float | None = None,
        restart: float | None = 0.0,
        passed: Callable[[str], None] = go_on,
    ) -> None:
        self.env, self.services, self.passed = env, services, passed
        self.record = Record()
        self.events = 0
        """How many events were published."""
        kind = PATTERNS[pattern]
        self.ordering = kind(services, self._publish, dedup)
        self._delay, self._polling, self._restart = put_cost + network, polling, restart
        self._costs = {"publish": put_cost}
        if not kind.routes:
            # Whoever is asked by the conductor is asked there and back.
            self._costs |= dict.fromkeys(("reserve", "charge", "release"), 2 * network)
        self._ends = {"approve", "reject"} if "saga" in pattern else {"reserve", "charge"}
        self._ends_needed = 1 if "saga" in pattern else 2
        self._done: dict[int, set[str]] = {}
        readers = sorted({name for each in kind.routes.values() for name in each})
        self.queues = {name: MemoryQueue(clock=env.clock) for name in readers}
        self._idle: dict[str, Timer] = {}
        self._down: set[str] = set()
        self._requester = "orders" if kind.routes else "conductor"
        self._acting = ""
        """Who does the step that is being done."""
        self._kept: dict[tuple[str, int], int] = {}
        """The visit of each message that lies in a queue, by the queue and the message's id."""
        self._busy = 0
        """How many requests and readers have something in hand, or are about to start again."""
        self._line = Line(env, self._arrive, 0)
        for name in kind.relays:
            services.outboxes[name].listeners.append(partial(self._wake, f"{name} relay"))
            env.process(self._relay(name))
        for name in readers:
            env.process(self._reader(name))

    def place(self, instants: Iterable[float]) -> None:
        """Let a customer ask for an order at each of these instants (s), in their order."""
        times = list(instants)
        self.record.prepare(len(times))
        self._busy += 1
        self.env.process(self._customers(times))

    def _customers(self, times: list[float]) -> Wait:
        timer = Timer(self.env, 1)
        for number, time in enumerate(times):
            yield timer.at(time)
            self.record.created[number] = time
            self._busy += 1
            self.env.process(self._request(number))
        self._busy -= 1

    def _request(self, number: int) -> Wait:
        timer = Timer(self.env, 1)
        if not self.ordering.routes:
            self.record.enqueued[number] = self.env.now
        yield from self._again(
            f"request {number}", partial(self.ordering.request, str(number)), timer, number
        )
        self._busy -= 1

    def _again(
        self, who: str, make: Callable[[], Steps], timer: Timer, number: int | None = None
    ) -> Generator[Timer, Any, bool]:
        """Do the steps, from the start after each crash; False if somebody is down for good."""
        visits, visit = self.record.visits, -1
        while True:
            if number is not None:
                visit = visits.begin(number, "request", self._requester, self.env.now)
            try:
                by = who if number is None else self._requester
                yield from self._drive(make(), timer, number, by, visit)
            except CrashError:
                if visit >= 0:
                    visits.finish(visit, self.env.now, "crash")
                if self._restart is None:
                    self._down.add(who)
                    return False
                yield timer.at(self.env.now + self._restart)
            else:
                if visit >= 0:
                    visits.finish(visit, self.env.now)
                return True

    def _drive(
        self, steps: Steps, timer: Timer, number: int | None, by: str, visit: int = -1
    ) -> Wait:
        """Do the steps one after the other, each in its time."""
        for point in self._acted(steps, by):
            if number is not None and point in self._ends:
                self._ended(point, number)
            asked = None
            if number is not None and visit >= 0 and by == "conductor" and point in ASKED:
                now = self.env.now
                asked = self.record.visits.begin(
                    number, point, ASKED[point], now, end=now, parent=visit
                )
            self.passed(point)
            cost = self._costs.get(point.rpartition(" ")[2])
            if cost:
                yield timer.at(self.env.now + cost)
            if asked is not None:
                self.record.visits.finish(asked, self.env.now)

    def _acted(self, steps: Steps, by: str) -> Steps:
        """The same steps, with a note of who does each."""
        self._acting = by
        for point in steps:
            yield point
            self._acting = by

    def _ended(self, action: str, number: int) -> None:
        """One more of the things is done that an order brings about."""
        record, now = self.record, self.env.now
        done = self._done.setdefault(number, set())
        done.add(action)
        if len(done) == self._ends_needed and isnan(record.finished[number]):
            record.started[number] = record.finished[number] = now

    def _publish(self, event: str, key: str) -> None:
        self.events += 1
        now = self.env.now
        there = now + self._delay
        self.record.visits.begin(int(key), "publish", self._acting, now, end=there, event=event)
        self._line.send((event, key), there)

    def _arrive(self, sent: tuple[str, str]) -> None:
        event, key = sent
        number = int(key)
        if isnan(self.record.enqueued[number]):
            self.record.enqueued[number] = self.env.now
        for name in self.ordering.routes[event]:
            message = self.queues[name].put(f"{event}:{key}".encode())
            self._kept[name, message] = self.record.visits.begin(
                number, "queue", f"{name} queue", self.env.now, event=event
            )
            self._wake(name)

    def _wake(self, who: str) -> None:
        timer = self._idle.pop(who, None)
        if timer is not None:
            timer.fire()

    def _reader(self, name: str) -> Wait:
        """Work on one message after the other; after a crash the broker delivers again."""
        timer, queue = Timer(self.env, 1), self.queues[name]
        while True:
            ready = queue.get_many(1)
            if not ready:
                self._idle[name] = timer
                yield timer
                continue
            self._busy += 1
            crashed = yield from self._receive(name, queue, ready[0], timer)
            if crashed and self._restart is None:
                self._down.add(name)
                self._busy -= 1
                return
            if crashed and self._restart:
                yield timer.at(self.env.now + self._restart)
            self._busy -= 1

    def _receive(
        self, name: str, queue: MemoryQueue, message: Message, timer: Timer
    ) -> Generator[Timer, Any, bool]:
        """Work on one message; whether that ended in a crash."""
        event, _, key = message.body.decode().partition(":")
        held = [message]
        visits, kept = self.record.visits, self._kept[name, message.id]
        visit = visits.begin(int(key), "process", name, self.env.now, parent=kept, event=event)

        def ack() -> None:
            queue.ack(held.pop())
            visits.finish(kept, self.env.now)

        steps = self.ordering.receive(name, event, key, ack)
        try:
            yield from self._drive(steps, timer, int(key), name)
        except CrashError:
            visits.finish(visit, self.env.now, "crash")
            for each in held:
                queue.nack(each)
            return True
        visits.finish(visit, self.env.now)
        return False

    def _relay(self, name: str) -> Wait:
        """Look into an outbox again and again, and publish what stands there."""
        who = f"{name} relay"
        timer, outbox = Timer(self.env, 1), self.services.outboxes[name]
        while True:
            if self._polling is not None:
                yield timer.at(self.env.now + self._polling)
            elif not outbox.unsent(1):
                self._idle[who] = timer
                yield timer
            alive = yield from self._again(who, partial(self.ordering.relay, name), timer)
            if not alive or (self._polling is not None and self._at_rest()):
                return

    def _at_rest(self) -> bool:
        """Whether nobody will write to any outbox any more, and none has a row for its relay."""
        return not (
            self._busy
            or self._line.under_way
            or any(queue.qsize() for name, queue in self.queues.items() if name not in self._down)
            or any(
                self.services.outboxes[name].unsent(1)
                for name in self.ordering.relays
                if f"{name} relay" not in self._down
            )
        )

    def ledger(self) -> Ledger:
        """Where every order is, at rest; those that nobody keeps any more are written off."""
        record, now = self.record, self.env.now
        kept = {int(key) for key in self.services.pending()}
        for name in self.ordering.relays:
            kept |= {int(row.key) for row in self.services.outboxes[name].unsent()}
        for queue in self.queues.values():
            while ready := queue.get_many(1000):
                kept |= {int(each.body.decode().partition(":")[2]) for each in ready}
        asked = [number for number, time in enumerate(record.created) if not isnan(time)]
        open_ = [number for number in asked if isnan(record.finished[number])]
        for number in open_:
            if number not in kept:
                record.lost.append(number)
                if not isnan(record.enqueued[number]):
                    record.moves.vanished.append(now)
                    record.moves.departed.append(now)
        lost = len(record.lost)
        return Ledger(
            published=len(asked),
            acked=len(asked) - len(open_),
            ready=len(open_) - lost,
            lost=lost,
        )

    def close(self) -> None:
        """Close the queues."""
        for queue in self.queues.values():
            queue.close()
