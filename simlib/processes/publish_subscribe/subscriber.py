"""Subscribers consume a broker's queues, and all that can go wrong with them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from functools import partial
from math import nan
from typing import Any, Literal

from ...broker import Channel, Delivery
from ...distributions import Distribution, Uniform
from ..attempts import DONE, FAILED, INTERRUPTED
from ..draws import Draws, happens, stream, uniforms
from ..environment import Environment, Timer
from ..faults import NO_FAULTS, Faults, Window
from ..line import Line, do
from .mishaps import NO_MISHAPS, Mishaps
from .node import BrokerNode

__all__ = ["Held", "Subscriber"]


class _Session:
    """A connection with the broker, until it breaks or its subscriber crashes."""

    __slots__ = ("channel", "open")

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.open = True


# A delivery, through which connection, its row in the record, when the broker sent it (s), and
# which one of all deliveries it is.
Held = tuple[Delivery, _Session, int, float, int]


class Subscriber:
    """Consumes one or more queues: works on their messages, and acks them.

    What goes wrong happens to it in the real broker. A lost ack means a broken connection, and so
    does a crash: all messages that the subscriber holds go back to the queue, not only the one
    whose ack was lost. It connects again at once after a lost ack, and ``restart`` seconds after a
    crash.

    An attempt fails by chance (``failing``), or because the message is poison, for which every
    attempt fails. It is then given back to the queue (``on_failure="requeue"``), which counts
    deliveries if it has a limit, or rejected: then it goes to the queue's dead letter exchange.

    Parameters
    ----------
    env : Environment
    node : BrokerNode
        With whom.
    queues : str or sequence of str
        Which queues.
    work : Distribution or Draws
        The work that each message brings (s). Subscribers that share ``Draws`` do the same work
        for the same message, whoever takes it.
    prefetch : int
        The most messages of each queue that it may hold without an ack; 0: any number.
    workers : int
        How many messages are worked on at once.
    auto_ack : bool
        Whether a message counts as done for the broker as soon as it is delivered.
    mishaps : Mishaps
        What goes wrong by chance from delivery to ack.
    on_failure : "requeue" or "reject"
        What is done with a message whose attempt failed.
    attempts : int or None
        The most attempts: a message that fails in the last of them goes to ``give_up_to``, and
        ``x-death`` says how many there were before. None: no end.
    give_up_to : str
        The queue for messages without an attempt left.
    faults : Faults
        When it is down or slow.
    name : str
        Names the random streams.
    """

    def __init__(
        self,
        env: Environment,
        node: BrokerNode,
        queues: str | Sequence[str],
        work: Distribution | Draws,
        *,
        prefetch: int = 1,
        workers: int = 1,
        auto_ack: bool = False,
        mishaps: Mishaps = NO_MISHAPS,
        on_failure: Literal["requeue", "reject"] = "requeue",
        attempts: int | None = None,
        give_up_to: str = "",
        faults: Faults = NO_FAULTS,
        name: str = "subscriber",
    ) -> None:
        if attempts is not None and (attempts < 1 or not give_up_to or on_failure != "reject"):
            raise ValueError(
                "attempts must be >= 1, with a queue in give_up_to and on_failure='reject', "
                f"got {attempts!r}, {give_up_to!r} and {on_failure!r}"
            )
        if auto_ack and mishaps.ack_lost:
            raise ValueError(
                f"with auto_ack there is no ack to lose, got ack_lost={mishaps.ack_lost!r}"
            )
        if isinstance(work, Distribution):
            work = Draws(work, env.stream(name))
        self.env = env
        self.node = node
        self.queues = (queues,) if isinstance(queues, str) else tuple(queues)
        self.prefetch = prefetch
        self.workers = workers
        self.auto_ack = auto_ack
        self.faults = faults
        self.poison = mishaps.poison
        """Probability that a message is poison; 0 from when the subscriber is mended."""
        self.worked = 0.0
        """Time spent on attempts that are over, in vain or not (s)."""
        self._work_of = work
        self._mishaps = mishaps
        self._requeue = on_failure == "requeue"
        self._attempts = attempts
        self._give_up_to = give_up_to
        self._acks_lost = happens(env, f"{name} acks", mishaps.ack_lost)
        self._crashes = happens(env, f"{name} crashes", mishaps.crash)
        self._fails = happens(env, f"{name} failures", mishaps.failing)
        self._deliveries_lost = happens(env, f"{name} deliveries", mishaps.delivery_lost)
        self._luck = Draws(Uniform(low=0.0, high=1.0), stream(env.seed, "poison"))
        self._when = uniforms(env, f"{name} crash points") if mishaps.crash else iter(())
        # Whether more is to be seen to at the end of an attempt than its ack.
        effective = type(self).effect is not Subscriber.effect
        self._careful = bool(
            mishaps.ack_lost or mishaps.failing or mishaps.poison or auto_ack or effective
        )
        self._delivered = node.record.extra["delivered"]
        self._buffer: deque[Held] = deque()
        self._idle: deque[Timer] = deque()
        # What is in the workers' hands, and since when (s).
        self._working: dict[Timer, tuple[Held, float]] = {}
        # Where in the record the attempts are that go on although their connection is gone.
        self._vain: dict[Timer, int] = {}
        self._epoch = 0
        self._alive = False
        self._network = network = node.network
        timed = network.takes_time or node.deliver_cost
        self._in = Line(env, self._receive, 0) if timed else None
        self._out = network.connect(do, 0)
        # Whether a delivery is there as soon as it is sent, whatever happens; that saves a call.
        self._at_once = self._in is None and not mishaps.delivery_lost
        self._session: _Session | None = None
        self.place = len(node.on_restart)
        """Which of the broker's subscribers it is, from 0; what a label ``subscriber`` says."""
        node.on_restart.append(self._lose_broker)
        node.on_return.append(self._meet_broker)
        env.process(self._begin(0.0))
        faults.tell(env, self._go_down)

    # Hooks

    def effect(self, delivery: Delivery) -> bool:
        """Called when the work on a message is done; False if a crash comes before its ack."""
        return True

    # Connections

    def reconnect(self) -> None:
        """Give up the connection, and with it all that is held; make another one at once.

        What the workers do goes on, in vain.
        """
        if self._session is not None and self._session.open:
            self._disconnect(self._session)
            self._connect()

    def _lose_broker(self) -> None:
        """The broker is down: acks on their way to it are about nothing that it will know."""
        record = self.node.record
        for _, act in self._out.under_way if self._out is not None else ():
            if isinstance(act, partial) and act.func == self._ack:
                held, start = act.args
                row = held[2]
                record.extra["left"][row] = nan
                self._in_vain(held, start, record.finished[row], "broker restart", DONE)
        self.reconnect()

    def _meet_broker(self) -> None:
        """The broker is back."""
        if self._alive and (self._session is None or not self._session.open):
            self._connect()

    def _begin(self, when: float) -> Generator[Timer, Any, None]:
        """Start the workers, with a connection, as soon as it is up."""
        timer = Timer(self.env, 0)
        yield timer.at(self.faults.up_at(when))
        self._alive = True
        self._connect()
        for _ in range(self.workers):
            self.env.process(self._work(self._epoch))

    def _connect(self) -> None:
        """Connect with the broker; where that is down, wait until it is back."""
        if not self.node.up:
            return
        self._session = session = _Session(self.node.broker.channel())
        self._tell(partial(self._subscribe, session))

    def _disconnect(self, session: _Session) -> None:
        session.open = False
        lost = [*self._buffer]
        self._buffer.clear()
        if self._in is not None:
            lost += [held for _, held in self._in.under_way if held[1] is session]
        for held in lost:
            self._in_vain(held, nan, self.env.now, "connection lost")
        if not self.auto_ack:
            # Their work goes on, but the broker gives them to somebody else.
            for timer, (held, start) in self._working.items():
                if held[1] is session:
                    self._vain[timer] = self._in_vain(held, start, nan, "connection lost")
        self._tell(session.channel.close)

    def _die(self, cause: str) -> None:
        """Crash: the connection and all work are gone."""
        self._alive = False
        self._epoch += 1
        for timer, (held, start) in self._working.items():
            self.worked += self.env.now - start
            # What a worker has in hand may be of an earlier connection, and was given back with it.
            if timer in self._vain:
                self._end_in_vain(timer)
            else:
                self._in_vain(held, start, self.env.now, cause)
        self._working.clear()
        if self._session is not None and self._session.open:
            self._disconnect(self._session)
        while self._idle:
            self._idle.popleft().fire(None)

    def _go_down(self, outage: Window) -> None:
        # After a crash it may be down already.
        if self._alive:
            self._die("outage")
            self.env.process(self._begin(outage.end))

    def _tell(self, act: Callable[[], object]) -> None:
        """Let the broker do something, when word of it has got there."""
        if self._out is None:
            act()
        else:
            self._out.send(act, self._network.arrives(self.env.now))

    # Deliveries

    def _deliver(
        self, session: _Session, queue: str, rows: Mapping[bytes, int], delivery: Delivery
    ) -> None:
        """The broker sends a message on its way."""
        node, now = self.node, self.env._now
        # Most messages have their row in the queue they are delivered from; this saves a call.
        row = None if delivery.headers else rows.get(delivery.body)
        if row is None:
            row = node.row(queue, delivery.body, delivery.headers)
        if not session.open:
            # The broker does not know yet that nobody is there.
            if self.auto_ack:
                node.lose(row)
            return
        self._delivered[row] = now
        if self.auto_ack:
            node.in_hand.add(row)
        node.deliveries = serial = node.deliveries + 1
        node.latest[row] = serial
        held = delivery, session, row, now, serial
        if self._at_once:
            if self._idle:
                self._idle.popleft().fire(held)
            else:
                self._buffer.append(held)
        elif self._in is None:
            self._receive(held)
        else:
            self._in.send(held, self._network.arrives(node.occupy(node.deliver_cost)))

    def _receive(self, held: Held) -> None:
        if held[1].open:
            if next(self._deliveries_lost):
                self._in_vain(held, nan, self.env.now, "delivery lost")
                self.reconnect()
            elif self._idle:
                self._idle.popleft().fire(held)
            else:
                self._buffer.append(held)

    def _in_vain(
        self, held: Held, start: float, end: float, cause: str = "", outcome: str = INTERRUPTED
    ) -> int:
        """Note a delivery that came to nothing now; with ``auto_ack`` the message is lost.

        The work on it lasted from ``start`` (s; NaN: there was none) to ``end`` (NaN: it goes on).
        """
        _, _, row, delivered, serial = held
        record, now = self.node.record, self.env.now
        attempt = record.attempts.add(
            row, delivered, start, end, now, outcome=outcome, by=self.place, cause=cause
        )
        record.moves.requeued.append(now)
        # Somebody else may have it by now.
        if self.node.latest[row] == serial:
            self._delivered[row] = record.started[row] = record.finished[row] = nan
        if self.auto_ack:
            self.node.in_hand.discard(row)
            self.node.lose(row)
        return attempt

    def _end_in_vain(self, timer: Timer) -> int:
        """Note that work is over that went on although its connection was gone; which row it is."""
        attempt = self._vain.pop(timer)
        self.node.record.attempts.end[attempt] = self.env.now
        return attempt

    # Work

    def _work(self, epoch: int) -> Generator[Timer, Any, None]:
        env, faults, buffer, idle = self.env, self.faults, self._buffer, self._idle
        working = self._working
        record = self.node.record
        started, finished, left = record.started, record.finished, record.extra["left"]
        works, message_of = self._work_of.values, record.labels["message"]
        faulty, careful = self._mishaps.crash > 0 or faults is not NO_FAULTS, self._careful
        done_by = record.labels["subscriber"]
        timer = Timer(env, 0)
        # It may have gone down at the very instant at which it came up.
        while epoch == self._epoch:
            if buffer:
                held = buffer.popleft()
            else:
                idle.append(timer)
                held = yield timer
                if held is None:
                    return
            delivery, session, row, _, _ = held
            if not session.open:
                # It was handed over at the very instant at which the connection broke.
                self._in_vain(held, nan, self.env.now, "connection lost")
                if epoch != self._epoch:
                    return
                continue
            number = message_of[row]
            try:
                duration = works[number]
            except IndexError:
                duration = self._work_of[number]
            started[row] = start = env._now
            end = start + duration
            working[timer] = held, start
            if faulty:
                end = faults.done_at(start, duration)
                if next(self._crashes):
                    yield timer.at(start + (end - start) * next(self._when))
                    if epoch == self._epoch:
                        self._die("crash")
                        env.process(self._begin(env._now + self._mishaps.restart))
                    return
            yield timer.at(end)
            if epoch != self._epoch:
                return
            del working[timer]
            self.worked += end - start
            if (careful or not session.open) and not self._succeeds(held, start, timer):
                continue
            finished[row] = left[row] = end
            done_by[row] = self.place
            if self.auto_ack:
                continue
            if self._out is not None:
                self._out.send(partial(self._ack, held, start), self._network.arrives(end))
            else:
                session.channel.ack(delivery.delivery_tag)

    def _succeeds(self, held: Held, start: float, timer: Timer) -> bool:
        """Whether an attempt that is over can be acked; if not, what follows is done."""
        delivery, session, row, _, _ = held
        now = self.env.now
        message = self.node.record.labels["message"][row]
        attempts = self.node.record.attempts
        too_late = timer in self._vain
        attempt = self._end_in_vain(timer) if too_late else -1
        if next(self._fails) or (self.poison and self._luck[message] < self.poison):
            if too_late:
                attempts.outcome[attempt] = FAILED
            else:
                self._in_vain(held, start, now, outcome=FAILED)
            if session.open and not self.auto_ack:
                self._tell(partial(self._refuse, held))
            return False
        alive = self.effect(delivery)
        if self.auto_ack:
            self.node.in_hand.discard(row)
            if "acked" in self.node.record.extra:
                self.node.record.extra["acked"][row] = now
            return True
        if too_late:
            attempts.outcome[attempt] = DONE
            return False
        if next(self._acks_lost) or not alive:
            self._in_vain(held, start, now, "ack lost" if alive else "crash", DONE)
            self.reconnect()
            return False
        return True

    # What arrives at the broker

    def _subscribe(self, session: _Session) -> None:
        for queue in self.queues:
            # There is another connection already: after a restart of the broker, or if what came
            # from the queue before broke this one.
            if session.channel.closed:
                return
            session.channel.consume(
                queue,
                partial(self._deliver, session, queue, self.node.rows_of(queue)),
                prefetch=self.prefetch,
                auto_ack=self.auto_ack,
            )

    def _ack(self, held: Held, start: float) -> None:
        delivery, session, row, _, _ = held
        if not session.channel.closed:
            session.channel.ack(delivery.delivery_tag)
            self.node.record.extra["acked"][row] = self.env._now

    def _refuse(self, held: Held) -> None:
        delivery, session, row, _, _ = held
        if session.channel.closed:
            return
        deaths = delivery.headers.get("x-death", ())
        rejections = sum(
            death["count"]
            for death in deaths
            if death["queue"] in self.queues and death["reason"] == "rejected"
        )
        if self._attempts is not None and rejections + 1 >= self._attempts:
            self.node.carry(session.channel, delivery, row, self._give_up_to)
        else:
            session.channel.nack(delivery.delivery_tag, requeue=self._requeue)
        if self.node.alarm.timed:
            self.node.alarm.watch()
