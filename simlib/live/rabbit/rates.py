"""How many messages per second each way of publishing and consuming takes, beside each other.

Ways take turns, in slices of less than a second, and each has the base as its neighbour, so that
whatever else the machine does hits both; what counts is the ratio of the two.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from statistics import median, quantiles
from typing import Any, NamedTuple

from .connection import Link, close
from .consumer import Consumer
from .publisher import Publisher, persistent
from .scratch import EXPIRES, ready, scratch, until
from .topology import WorkQueue
from .window import WindowPublisher

__all__ = ["BASE", "Rate", "measure"]

BODY = b"x" * 256
BASE = "wait for each confirm"
"""What the others are compared with."""


class Rate(NamedTuple):
    """A way of doing it, and how fast it is."""

    what: str
    """publish or consume."""
    way: str
    per_second: float
    """Median over the rounds (messages/s)."""
    ratio: float
    """To publishing with a wait for each confirm, just before; median of the rounds'. For that way
    itself it shows how much of a ratio is noise."""
    low: float
    """A quarter of the rounds have a smaller ratio."""
    high: float
    """A quarter have a larger one."""


Slice = Callable[[float], float]
"""Works for so many seconds; messages per second."""


def measure(url: str, *, rounds: int = 5, seconds: float = 0.5) -> list[Rate]:
    """Measure all ways on a server, with persistent messages of 256 bytes and a durable queue.

    Parameters
    ----------
    url : str
        The server's.
    rounds : int
        How often each has its turn.
    seconds : float
        How long a turn is (s).
    """
    if rounds < 1 or not seconds > 0:
        raise ValueError(f"rounds must be >= 1 and seconds > 0, got {rounds!r} and {seconds!r}")
    found: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for _ in range(rounds):
        for what, ways in (("publish", _publishing), ("consume", _consuming)):
            for way, slice_of in ways(url):
                base = _published(url, seconds, confirms=True)
                found.setdefault((what, way), []).append((slice_of(seconds), base))
    rates = []
    for (what, way), pairs in found.items():
        ratios = [speed / base for speed, base in pairs]
        low, middle, high = quantiles(ratios, n=4, method="inclusive") if rounds > 1 else 3 * ratios
        rates.append(Rate(what, way, median(speed for speed, _ in pairs), middle, low, high))
    return rates


def _publishing(url: str) -> Iterator[tuple[str, Slice]]:
    """The ways to publish."""
    yield BASE, partial(_published, url, confirms=True)
    yield "no confirms, transient", partial(_published, url, mode=1)
    yield "no confirms, persistent", partial(_published, url)
    yield "a transaction per 100", partial(_transactions, url)
    yield "Publisher", partial(_with_publisher, url)
    for window in (10, 100):
        yield f"WindowPublisher, {window}", partial(_windowed, url, window)


def _sent(publish: Callable[[], object], seconds: float) -> tuple[int, float]:
    """How often it was done, and when it began."""
    start = time.perf_counter()
    count = 0
    while time.perf_counter() - start < seconds:
        publish()
        count += 1
    return count, start


def _arrived(channel: Any, queue: WorkQueue, count: int, start: float) -> float:
    """The rate, once the server has all."""
    until(lambda: ready(channel, queue.name) >= count, "all published")
    return count / (time.perf_counter() - start)


def _published(url: str, seconds: float, *, confirms: bool = False, mode: int = 2) -> float:
    with scratch(url) as (channel, queue):
        if confirms:
            channel.confirm_delivery()
        properties = persistent("", {})
        properties.delivery_mode = mode
        count, start = _sent(
            lambda: channel.basic_publish("", queue.name, BODY, properties), seconds
        )
        return _arrived(channel, queue, count, start)


def _transactions(url: str, seconds: float) -> float:
    with scratch(url) as (channel, queue):
        properties = persistent("", {})
        channel.tx_select()

        def hundred() -> None:
            for _ in range(100):
                channel.basic_publish("", queue.name, BODY, properties)
            channel.tx_commit()

        count, start = _sent(hundred, seconds)
        return _arrived(channel, queue, 100 * count, start)


def _with_publisher(url: str, seconds: float) -> float:
    with scratch(url) as (_, queue), Publisher(queue, Link(url=url)) as publisher:
        publisher.publish(BODY)
        count, start = _sent(lambda: publisher.publish(BODY), seconds)
        return count / (time.perf_counter() - start)


def _windowed(url: str, window: int, seconds: float) -> float:
    with scratch(url) as (_, queue), WindowPublisher(queue, window, Link(url=url)) as publisher:
        publisher.publish(BODY)
        publisher.flush()
        count, start = _sent(lambda: publisher.publish(BODY), seconds)
        publisher.flush()
        return count / (time.perf_counter() - start)


def _consuming(url: str) -> Iterator[tuple[str, Slice]]:
    """The ways to consume."""
    yield "auto_ack", partial(_consumed, url, 0)
    for prefetch in (100, 10, 1):
        yield f"ack, prefetch {prefetch}", partial(_consumed, url, prefetch)
    yield "Consumer, prefetch 100", partial(_with_consumer, url)
    yield "fetched one by one", partial(_fetched, url)


@contextmanager
def _filled(url: str, count: int) -> Iterator[tuple[Any, WorkQueue]]:
    with scratch(url) as (channel, queue):
        with WindowPublisher(queue, 500, Link(url=url)) as publisher:
            for _ in range(count):
                publisher.publish(BODY)
        yield channel, queue


def _consumed(url: str, prefetch: int, seconds: float) -> float:
    """With ``auto_ack`` if there is no prefetch."""
    count = round(seconds * 4000)
    with _filled(url, count) as (_, queue):
        connection = Link(url=url).connect()
        channel = connection.channel()
        done = 0

        def callback(channel: Any, method: Any, properties: Any, body: bytes) -> None:
            nonlocal done
            done += 1
            if prefetch:
                channel.basic_ack(method.delivery_tag)

        if prefetch:
            channel.basic_qos(prefetch_count=prefetch)
        start = time.perf_counter()
        channel.basic_consume(queue.name, callback, auto_ack=not prefetch)
        while done < count and time.perf_counter() - start < seconds:
            connection.process_data_events(time_limit=0.1)
        rate = done / (time.perf_counter() - start)
        close(connection)
        return rate


def _with_consumer(url: str, seconds: float) -> float:
    count = round(seconds * 4000)
    with _filled(url, count) as (_, queue):
        start = time.perf_counter()
        done = 0
        with Consumer(queue, prefetch=100, link=Link(url=url)) as consumer:

            def work(_: object) -> None:
                nonlocal done
                done += 1
                if done == count or time.perf_counter() - start > seconds:
                    consumer.stop()

            consumer.run(work, idle=EXPIRES)
            return done / (time.perf_counter() - start)


def _fetched(url: str, seconds: float) -> float:
    count = round(seconds * 4000)
    with _filled(url, count) as (channel, queue):
        start = time.perf_counter()
        done = 0
        while done < count and time.perf_counter() - start < seconds:
            method, _, _ = channel.basic_get(queue.name)
            channel.basic_ack(method.delivery_tag)
            done += 1
        return done / (time.perf_counter() - start)
