"""A consumer that loses nothing and does nothing twice, however long its work takes.

The connection has a thread of its own, which answers heartbeats and does nothing else. Work is done
in the thread that calls :meth:`Consumer.run`, and only then acked, by asking the connection's
thread for it: a connection belongs to one thread.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from typing import Any, Protocol, Self

from ...broker.options import check_prefetch
from ...tracing import TraceContext
from ..pika_words import our_delivery, our_error, pika_exceptions
from .connection import Link, close, lost_connection
from .spans import PUBLISHED, SpanRecorder
from .topology import Subscription, WorkQueue

__all__ = ["Consumer", "Doubles", "Outcome", "Received", "Seen"]

DONE = "done"


class Outcome(Enum):
    """What becomes of a delivery."""

    DONE = "done"
    """The work is done, and acked."""
    DOUBLE = "double"
    """It was done before, and is acked again."""
    FAILED = "failed"
    """The work raised; it comes once more."""
    DEAD = "dead"
    """It raised again, and is with the dead letters."""
    STALE = "stale"
    """Done, but the connection was lost before its ack: it comes again, as a double."""


@dataclass(frozen=True, slots=True)
class Received:
    """A message as a consumer's work gets it."""

    message_id: str
    """What it is known by; empty if its publisher gave it no id."""
    body: bytes
    routing_key: str
    redelivered: bool
    """Whether it may have been delivered before."""
    headers: Mapping[str, Any]
    context: TraceContext
    """Of its trace; a new one if it brought none."""
    came: float = field(default_factory=time.time)
    """When it came (Unix time, s)."""


class Doubles(Protocol):
    """Who knows what was done before; :class:`simlib.stores.Inbox` is one."""

    def once(self, message: str, effect: Callable[[], str]) -> str: ...


class Seen:
    """The ids of the last messages that were done, in memory: a restart forgets them.

    Where the work is done in a database use an :class:`simlib.stores.Inbox` on the same database.

    Parameters
    ----------
    most : int
        How many ids are kept; more than can be under way at once, with all that may be published
        again.
    """

    def __init__(self, most: int = 10_000) -> None:
        if most < 1:
            raise ValueError(f"most must be >= 1 message, got {most!r}")
        self._most = most
        self._answers: OrderedDict[str, str] = OrderedDict()

    def once(self, message: str, effect: Callable[[], str]) -> str:
        """As :meth:`simlib.stores.Inbox.once`."""
        if message not in self._answers:
            self._answers[message] = effect()
            if len(self._answers) > self._most:
                self._answers.popitem(last=False)
        return self._answers[message]


@dataclass(frozen=True, slots=True)
class _Delivery:
    """A message, and the way to answer for it."""

    connection: Any
    channel: Any
    tag: int
    message: Received


class Consumer:
    """Works on the messages of a work queue, or on those of a topic that match.

    Manual acks after the work; at most ``prefetch`` unacked; another connection after a lost one.
    Work that raises comes once more, and then goes to the dead letters.

    Parameters
    ----------
    source : WorkQueue or Subscription
        Where from; it is declared whenever a connection is opened.
    doubles : Doubles, optional
        Who knows what was done before; none: ids in memory.
    prefetch : int
        The most messages that are delivered and not acked.
    link : Link, optional
        Where the server is, and how often it is tried.
    spans : SpanRecorder, optional
        Notes what is done with each message.

    Examples
    --------
    ::

        with Consumer(WorkQueue("orders"), Inbox(database)) as consumer:
            consumer.run(work)
    """

    def __init__(
        self,
        source: WorkQueue | Subscription,
        doubles: Doubles | None = None,
        *,
        prefetch: int = 20,
        link: Link | None = None,
        spans: SpanRecorder | None = None,
    ) -> None:
        check_prefetch(prefetch)
        if prefetch == 0:
            raise ValueError("prefetch must be >= 1: with 0 the server sends all it has")
        self.source = source
        self.prefetch = prefetch
        self.link = link or Link()
        self.outcomes: Counter[Outcome] = Counter()
        """How many deliveries ended in which way."""
        self.connections = 0
        """How many were opened."""
        self.queue = ""
        """The name of the queue, once there is a connection."""
        self._doubles = doubles or Seen()
        self._spans = spans
        self._deliveries: queue.Queue[_Delivery | Exception | None] = queue.Queue()
        self._ready, self._stopping, self._closing = (threading.Event() for _ in range(3))
        self._lock = threading.Lock()
        self._unanswered = 0
        """Answers that the connection's thread was asked for, and has not given."""
        self._connection: Any = None
        self._thread = threading.Thread(target=self._stay, name="consumer", daemon=True)
        self._thread.start()

    def wait_until_ready(self, timeout: float = 60.0) -> None:
        """Wait until it is subscribed (s); what is published to a topic before is missed."""
        if not self._ready.wait(timeout):
            raise TimeoutError(f"not subscribed within {timeout:g} s")

    def run(self, work: Callable[[Received], object], idle: float | None = None) -> None:
        """Work on messages, until :meth:`stop` or until none has come for ``idle`` seconds.

        Raises
        ------
        GaveUpError
            The server was away at each attempt.
        """
        while not self._stopping.is_set():
            try:
                found = self._deliveries.get(timeout=idle)
            except queue.Empty:
                return
            if found is None:
                return
            if isinstance(found, Exception):
                raise found
            self._handle(found, work)

    def stop(self) -> None:
        """Let ``run`` return after the message in work; from any thread, or from the work itself.

        What is delivered and not acked goes back to the queue when the connection is closed.
        """
        self._stopping.set()
        self._deliveries.put(None)

    # In the thread that works

    def _handle(self, delivery: _Delivery, work: Callable[[Received], object]) -> None:
        if not delivery.channel.is_open:  # Its connection is lost, so it comes again.
            return
        message, began, fresh = delivery.message, time.time(), False

        def effect() -> str:
            nonlocal fresh
            fresh = True
            work(message)
            return DONE

        try:
            if message.message_id:
                self._doubles.once(message.message_id, effect)
            else:  # Without an id nobody can tell a double.
                effect()
        except Exception:  # Whatever the work raises, the next message must get its turn.
            outcome = Outcome.DEAD if message.redelivered else Outcome.FAILED
        else:
            outcome = Outcome.DONE if fresh else Outcome.DOUBLE
        answer = partial(self._answer, delivery, outcome, (began, time.time()))
        with self._lock:
            self._unanswered += 1
        try:
            delivery.connection.add_callback_threadsafe(answer)
        except pika_exceptions().ConnectionWrongStateError:
            self._count(Outcome.STALE)

    def _count(self, outcome: Outcome) -> None:
        with self._lock:
            if self._unanswered:  # Else the loss of the connection has counted it.
                self._unanswered -= 1
                self.outcomes[outcome] += 1

    # In the connection's thread

    def _answer(self, delivery: _Delivery, outcome: Outcome, worked: tuple[float, float]) -> None:
        if outcome in (Outcome.DONE, Outcome.DOUBLE):
            delivery.channel.basic_ack(delivery.tag)
        else:
            delivery.channel.basic_reject(delivery.tag, requeue=outcome is Outcome.FAILED)
        self._count(outcome)
        if self._spans is not None:
            message = delivery.message
            published = message.headers.get(PUBLISHED, message.came * 1e6) / 1e6
            times = (published, message.came, *worked, time.time())
            name, source = message.message_id, self.queue
            self._spans.received(message.context, source, times, name, outcome.value)

    def _stay(self) -> None:
        """Be connected until all is closed, or the server is away for too long."""
        pauses = self.link.pauses()
        while not self._closing.is_set():
            try:
                self._serve()
                return
            except lost_connection() as error:
                last: Exception = error
            except Exception as error:  # A defect, such as a queue that is declared otherwise.
                refused = isinstance(error, pika_exceptions().AMQPChannelError)
                self._deliveries.put(our_error(error) if refused else error)
                return
            finally:
                self._give_up_answers()
                close(self._connection)
            if self._ready.is_set():
                self._ready.clear()
                pauses = self.link.pauses()
            pause = next(pauses, None)
            if pause is None:
                self._deliveries.put(self.link.gave_up("consuming", last))
                return
            self._closing.wait(pause)

    def _serve(self) -> None:
        """Open a connection, and hand over what it brings."""
        connection = self._connection = self.link.connect()
        channel = connection.channel()
        self.queue = self.source.declare(channel)
        channel.basic_qos(prefetch_count=self.prefetch)
        gone = threading.Event()
        channel.add_on_cancel_callback(lambda _: gone.set())
        channel.basic_consume(self.queue, partial(self._take, connection))
        self.connections += 1
        self._ready.set()
        while not self._closing.is_set():
            connection.process_data_events(time_limit=1.0)
            if gone.is_set():
                raise ConnectionError(f"the queue {self.queue!r} was deleted")
        connection.process_data_events(time_limit=0)  # What was asked for just before the end.

    def _take(
        self, connection: Any, channel: Any, method: Any, properties: Any, body: bytes
    ) -> None:
        headers = our_delivery(method, properties, body).headers
        message = Received(
            properties.message_id or "",
            body,
            method.routing_key,
            bool(method.redelivered),
            headers,
            TraceContext.taken_from(headers) or TraceContext.new(),
        )
        self._deliveries.put(_Delivery(connection, channel, method.delivery_tag, message))

    def _give_up_answers(self) -> None:
        """What was done and could not be acked any more."""
        with self._lock:
            if self._unanswered:
                self.outcomes[Outcome.STALE] += self._unanswered
            self._unanswered = 0

    def close(self) -> None:
        """Close the connection, once what is done is acked."""
        self._stopping.set()
        self._closing.set()
        with suppress(AttributeError, pika_exceptions().ConnectionWrongStateError):
            self._connection.add_callback_threadsafe(lambda: None)  # Wakes it up.
        self._thread.join(timeout=60)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
