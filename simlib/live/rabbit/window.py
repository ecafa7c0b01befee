"""A publisher that does not wait for each confirm: a window of them, in a thread of its own.

A blocking channel waits for every confirm, so that one message costs a round trip and a sync of
the disk. Here up to ``unconfirmed`` messages are under way at once, and the server confirms many
with one word. The connection belongs to a thread that does nothing else, so that heartbeats are
answered whatever the program does; whoever publishes only leaves a message for it.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, NamedTuple, Self
from uuid import uuid4

from ...broker.errors import UnroutableError
from ...broker.options import check_content
from ...tracing import TraceContext
from ..pika_words import our_error, our_returned, pika_exceptions
from .connection import GaveUpError, Link
from .publisher import Fate, persistent
from .spans import PUBLISHED
from .topology import WorkQueue

__all__ = ["WindowPublisher"]


class _Message(NamedTuple):
    body: bytes
    properties: Any


class WindowPublisher:
    """Publishes to a work queue and goes on; confirms come later, and :meth:`flush` waits for them.

    Messages are confirmed in about the order in which they were published; after a lost connection
    all that are unconfirmed are published again under the same ids, and may then be in the queue
    twice and out of order.

    Parameters
    ----------
    to : WorkQueue
        Where to.
    unconfirmed : int
        The most messages that are published and not confirmed; who publishes one more waits.
    link : Link, optional
        Where the server is, and how often it is tried.

    Examples
    --------
    ::

        with WindowPublisher(WorkQueue("orders")) as publisher:
            for order in orders:
                publisher.publish(order)
    """

    def __init__(self, to: WorkQueue, unconfirmed: int = 100, link: Link | None = None) -> None:
        if isinstance(unconfirmed, bool) or not isinstance(unconfirmed, int) or unconfirmed < 1:
            raise ValueError(f"unconfirmed must be a whole number >= 1, got {unconfirmed!r}")
        self.to = to
        self.unconfirmed = unconfirmed
        self.link = link or Link()
        self.fates: Counter[Fate] = Counter()
        """How many attempts ended in which way."""
        self.connections = 0
        """How many were opened."""
        self._changed = threading.Condition()
        self._held: OrderedDict[str, _Message] = OrderedDict()
        """All that are not confirmed, by id."""
        self._to_send: deque[str] = deque()
        self._sent: OrderedDict[int, str] = OrderedDict()
        """On the present channel, ids by number."""
        self._number = 0
        self._failed: Exception | None = None
        self._closing = threading.Event()
        self._progress = False
        self._connection: Any = None
        self._channel: Any = None
        self._lost: Any = None
        self._thread = threading.Thread(target=self._stay, name="publisher", daemon=True)
        self._thread.start()

    # In any thread

    def publish(
        self,
        body: bytes,
        *,
        message_id: str | None = None,
        headers: Mapping[str, Any] | None = None,
        context: TraceContext | None = None,
    ) -> str:
        """Leave a message to be published; its id. Waits only for room in the window.

        Parameters
        ----------
        body, message_id, headers, context
            As for :meth:`Publisher.publish`.

        Raises
        ------
        UnroutableError, GaveUpError
            Of this message or an earlier one.
        """
        check_content(body, dict(headers or {}))
        name = message_id or str(uuid4())
        trace = context.child() if context else TraceContext.new()
        instant = {PUBLISHED: round(time.time() * 1e6)}
        properties = persistent(name, trace.put_into({**(headers or {}), **instant}))
        with self._changed:
            self._wait(lambda: len(self._held) < self.unconfirmed, None)
            if name in self._held:
                raise ValueError(f"a message with the id {name!r} is under way")
            self._held[name] = _Message(body, properties)
            if not self._to_send and self._channel is not None:
                self._call(self._send)
            self._to_send.append(name)
        return name

    def flush(self, timeout: float | None = None) -> None:
        """Wait until all that was published is confirmed, at most ``timeout`` seconds.

        Raises
        ------
        TimeoutError
            Some is not.
        UnroutableError, GaveUpError
            Some never will be.
        """
        with self._changed:
            self._wait(lambda: not self._held, timeout)

    def _wait(self, condition: Any, timeout: float | None) -> None:
        done = self._changed.wait_for(lambda: self._failed or condition(), timeout)
        if self._failed:
            raise self._failed
        if not done:
            raise TimeoutError(f"{len(self._held)} messages unconfirmed after {timeout:g} s")

    def _call(self, what: Any) -> None:
        """Have something done by the connection's thread, if there is one that turns."""
        with self._changed:
            if self._connection is not None:
                self._connection.ioloop.add_callback_threadsafe(what)

    def close(self) -> None:
        """Wait for all confirms, then close the connection."""
        try:
            if self._failed is None:
                self.flush()
        finally:
            self._closing.set()
            self._call(self._leave)
            self._thread.join(timeout=60)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *error: object) -> None:
        if kind is not None:  # It is about another error: wait for nothing more.
            self._fail(GaveUpError("closed before all was confirmed"))
        self.close()

    # In the connection's thread

    def _stay(self) -> None:
        pauses = self.link.pauses()
        while not self._closing.is_set() and self._failed is None:
            self._progress, self._lost = False, None
            try:
                self._connect()
            except ValueError as error:  # The server was gone as soon as it had accepted.
                self._lost = error
            except Exception as error:  # A defect.
                self._fail(error)
                return
            with self._changed:
                self.fates[Fate.UNKNOWN] += len(self._sent)
                self._sent.clear()
                self._to_send = deque(self._held)
            if self._progress:
                pauses = self.link.pauses()
            if self._closing.is_set():
                return
            pause = next(pauses, None)
            if pause is None:
                self.fates[Fate.GIVEN_UP] += len(self._held)
                self._fail(self.link.gave_up("publishing", self._lost))
                return
            self._closing.wait(pause)

    def _connect(self) -> None:
        """Be connected until the connection is lost or closed."""
        connection = self.link.background()(
            self.link.parameters,
            on_open_callback=self._connected,
            on_open_error_callback=self._over,
            on_close_callback=self._over,
        )
        with self._changed:
            self._connection = connection
        try:
            connection.ioloop.start()
        finally:
            with self._changed:  # Nobody calls into a loop that is closed.
                self._connection = self._channel = None
            connection.ioloop.close()

    def _connected(self, connection: Any) -> None:
        if self._closing.is_set():
            connection.close()
        else:
            connection.channel(on_open_callback=self._opened)

    def _over(self, connection: Any, error: Any) -> None:
        self._lost = self._lost or error
        connection.ioloop.stop()

    def _opened(self, channel: Any) -> None:
        self.connections += 1
        channel.add_on_close_callback(self._refused)
        channel.add_on_return_callback(self._returned)
        _Declaring(channel, self.to, lambda: self._ready(channel))

    def _ready(self, channel: Any) -> None:
        channel.confirm_delivery(self._confirmed, callback=lambda _: self._begin(channel))

    def _begin(self, channel: Any) -> None:
        self._number = 0
        self._channel = channel
        self._send()

    def _refused(self, channel: Any, error: Any) -> None:
        """The channel was closed: by the server for a defect, or with its connection."""
        self._channel = None
        if isinstance(error, pika_exceptions().ChannelClosedByBroker):
            self._fail(our_error(error))
            with suppress(pika_exceptions().ConnectionWrongStateError):
                channel.connection.close()

    def _send(self) -> None:
        channel = self._channel
        if channel is None or not channel.is_open:
            return
        while True:
            with self._changed:
                name = self._to_send.popleft() if self._to_send else None
                message = self._held.get(name) if name is not None else None
            if name is None:
                return
            if message is not None:
                self._number += 1
                self._sent[self._number] = name
                channel.basic_publish("", self.to.name, *message, mandatory=True)

    def _confirmed(self, frame: Any) -> None:
        """An ack or a nack, of one number or of all up to it."""
        method = frame.method
        if method.multiple:
            numbers = [each for each in self._sent if each <= method.delivery_tag]
        else:
            numbers = [method.delivery_tag]
        names = [self._sent.pop(number) for number in numbers if number in self._sent]
        with self._changed:
            if method.NAME == "Basic.Ack":
                self._progress = True
                for name in names:
                    if self._held.pop(name, None) is not None:
                        self.fates[Fate.CONFIRMED] += 1
                self._changed.notify_all()
                return
            self.fates[Fate.NACKED] += len(names)
        # A full queue has room when a consumer has taken something out: not at once.
        self._connection.ioloop.call_later(0.05, lambda: self._again(names))

    def _again(self, names: list[str]) -> None:
        with self._changed:
            self._to_send.extendleft(reversed(names))
        self._send()

    def _returned(self, _: Any, method: Any, properties: Any, body: bytes) -> None:
        with self._changed:
            self.fates[Fate.RETURNED] += 1
            self._held.pop(properties.message_id, None)
        self._fail(UnroutableError(our_returned(method, properties, body)))

    def _fail(self, error: Exception) -> None:
        """Nothing more is published; who waits is told."""
        with self._changed:
            if self._failed is None:
                self._failed = error
            self._changed.notify_all()

    def _leave(self) -> None:
        # One that is about to open is closed then: cut off in between, pika leaves its socket open.
        if self._connection is not None and self._connection.is_open:
            self._connection.close()


class _Declaring:
    """Lets a queue declare itself on a channel that answers by callbacks, one after the other."""

    def __init__(self, channel: Any, to: WorkQueue, done: Any) -> None:
        self._channel, self._done = channel, done
        self._steps: list[tuple[tuple[Any, ...], dict[str, Any]]] = []
        to.declare(self)
        self._next()

    def queue_declare(self, *args: Any, **options: Any) -> None:
        """Remember a step."""
        self._steps.append((args, options))

    def _next(self, _: Any = None) -> None:
        if not self._steps:
            self._done()
            return
        args, options = self._steps.pop(0)
        self._channel.queue_declare(*args, **options, callback=self._next)
