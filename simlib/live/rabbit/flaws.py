"""The tutorial's flaws, each tried, and the same done right: what was lost, and what was said.

A trial needs a server, or one of its own to be restarted, or only Python. Where what it needs isn't
there, the record of an earlier run stands in for it; :class:`Trials` decides.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from threading import Thread, Timer
from typing import Any, Literal, NamedTuple

from ...broker.errors import BrokerError
from ...resilience import Fixed, Retry
from . import tutorial
from .connection import Link, close, lost_connection
from .consumer import Consumer, Received, Seen
from .line import Line
from .private import PrivateBroker, programs
from .publisher import Publisher, persistent
from .scratch import BOUND, ready, scratch, taken, until
from .topology import Subscription, Topic, WorkQueue, delete
from .web import error_page

__all__ = ["TRIALS", "Finding", "Trial"]

AT_ONCE = Retry(attempts=3, wait=Fixed(0.02))
"""Of trials in which no further attempt helps."""


class Finding(NamedTuple):
    """What came of a trial, done one way."""

    trial: str
    way: str
    """As the tutorial has it, or right."""
    messages: int
    """How many were sent as far as the sender knows; 0 if it is about something else."""
    lost: int
    """How many of them nobody got, and nobody was told."""
    doubled: int
    """How many were worked on twice."""
    said: str
    """The error; empty: nothing was said."""

    def __str__(self) -> str:
        parts = []
        if self.messages:
            parts.append(f"{self.lost or 'none'} of {self.messages} lost")
            if self.doubled:
                parts.append(f"{self.doubled} done twice")
        return f"{self.way}: {', '.join([*parts, self.said or 'no error'])}"


class _CrashError(BaseException):
    """Ends a consumer as a crash does: nothing catches it."""


@dataclass(frozen=True, slots=True)
class Trial:
    """An experiment, and what it needs."""

    run: Callable[[str], Iterator[Finding]]
    """Takes the url of a server; where it needs none, any text."""
    needs: Literal["nothing", "server", "own server"]
    """An own server is started by the trial, which then restarts, kills or starves it."""


def _error_of(call: Callable[[], object]) -> str:
    """What a call raises, by name and text; empty if nothing."""
    try:
        call()
    except Exception as error:  # Whatever it is, it is the finding.
        # Newer Pythons guess what was meant.
        text = re.sub(r"\. Did you mean.*", "", str(error))
        return f"{type(error).__name__}: {text}"
    return ""


def _old_argument(url: str) -> Iterator[Finding]:
    """1: a topic exchange declared with pika's old argument name."""
    with scratch(url) as (channel, queue):
        said = _error_of(lambda: tutorial.declare_exchange(channel))
        yield Finding("old argument", "tutorial", 0, 0, 0, said)
        topic = Topic(queue.name)
        said = _error_of(lambda: topic.declare(channel))
        delete(channel, topic)
        yield Finding("old argument", "right", 0, 0, 0, said)


def _command(url: str) -> Iterator[Finding]:
    """2: a command-line tool asked to declare a queue."""
    try:
        program = str(programs() / tutorial.COMMAND[0])
    except FileNotFoundError:
        program = shutil.which(tutorial.COMMAND[0]) or ""
    if not program:
        raise FileNotFoundError("rabbitmqctl is not on this machine")
    done = subprocess.run(
        [program, *tutorial.COMMAND[1:]],
        capture_output=True,
        text=True,
        timeout=BOUND,
        check=False,
    )
    said = (done.stdout + done.stderr).strip().partition("\n")[0].strip()
    if not said.startswith("Command"):
        raise FileNotFoundError(f"rabbitmqctl can't be asked: {said}")
    yield Finding("command", "tutorial", 0, 0, 0, said)
    with scratch(url) as (channel, queue):
        said = _error_of(lambda: queue.declare(channel))
        yield Finding("command", "right", 0, 0, 0, said)


def _no_name(url: str) -> Iterator[Finding]:
    """3: an exclusive queue declared without a name."""
    with scratch(url) as (channel, queue):
        said = _error_of(lambda: tutorial.declare_own_queue(channel))
        yield Finding("no name", "tutorial", 0, 0, 0, said)
        topic = Topic(queue.name)
        said = _error_of(lambda: Subscription(topic, ("#",)).declare(channel))
        delete(channel, topic)
        yield Finding("no name", "right", 0, 0, 0, said)


def _transient(_: str) -> Iterator[Finding]:
    """4: a durable queue fed with messages that are not persistent, and a restart in order."""
    bodies = [b"%d" % number for number in range(100)]
    with PrivateBroker() as broker:
        link = Link(url=broker.url)
        channel = tutorial.open_channel(link.parameters, "tutorial")
        for body in bodies:
            tutorial.send(channel, "tutorial", body)
        until(lambda: ready(channel, "tutorial") == len(bodies), "all there before the restart")
        close(channel.connection)
        right = WorkQueue("right")
        with Publisher(right, link) as publisher:
            for body in bodies:
                publisher.publish(body)
        broker.stop()
        broker.start()
        connection = link.connect()
        channel = connection.channel()
        for way in ("tutorial", "right"):
            kept = set(taken(channel, way))
            yield Finding("transient", way, len(bodies), len(bodies) - len(kept), 0, "")
        close(connection)


def _auto_ack(url: str) -> Iterator[Finding]:
    """5: ``auto_ack=True`` in a consumer that crashes at its fourth message of a hundred."""
    bodies = [b"%d" % number for number in range(100)]
    with scratch(url) as (channel, queue), Line(url) as line:
        done: list[bytes] = []

        def work(body: bytes) -> None:
            if len(done) == 3:
                until(lambda: ready(channel, queue.name) == 0, "the server has sent all")
                line.cut()
                raise _CrashError
            done.append(body)

        for body in bodies:
            tutorial.send(channel, queue.name, body)
        until(lambda: ready(channel, queue.name) == len(bodies), "all published")
        connection = Link(url=line.url).connect()
        with suppress(_CrashError):
            tutorial.receive(connection.channel(), queue.name, work)
        close(connection)
        done += taken(channel, queue.name)
        yield Finding("auto_ack", "tutorial", len(bodies), len(bodies) - len(set(done)), 0, "")
    with scratch(url) as (channel, queue), Line(url) as line:
        yield _crashed(url, line, queue, bodies)


def _crashed(url: str, line: Line, queue: WorkQueue, bodies: list[bytes]) -> Finding:
    """A consumer that acks after its work crashes, and another one goes on."""
    done: list[bytes] = []

    def crash(message: Received) -> None:
        if len(done) == 3:
            line.cut()
            raise _CrashError
        done.append(message.body)

    seen = Seen()
    with Publisher(queue, Link(url=url)) as publisher:
        for body in bodies:
            publisher.publish(body)
    with (
        suppress(_CrashError),
        Consumer(queue, seen, prefetch=10, link=Link(url=line.url)) as consumer,
    ):
        consumer.run(crash)
    with Consumer(queue, seen, prefetch=10, link=Link(url=url)) as consumer:
        _drain(consumer, done, len(bodies))
    lost, doubled = len(bodies) - len(set(done)), len(done) - len(set(done))
    return Finding("auto_ack", "right", len(bodies), lost, doubled, "")


def _drain(consumer: Consumer, done: list[bytes], expected: int) -> None:
    """Work until all is done that is expected, and nothing more comes."""

    def work(message: Received) -> None:
        done.append(message.body)

    consumer.wait_until_ready()
    end = time.monotonic() + BOUND
    while len(set(done)) < expected and time.monotonic() < end:
        consumer.run(work, idle=0.2)


def _no_queue(url: str) -> Iterator[Finding]:
    """6: no confirms, and a queue that was deleted."""
    with scratch(url) as (channel, queue):
        delete(channel, queue)
        for _ in range(50):
            tutorial.send(channel, queue.name, b"order")
        queue.declare(channel)
        kept = len(taken(channel, queue.name))
        yield Finding("no queue", "tutorial", 50, 50 - kept, 0, "")
        with Publisher(queue, Link(url=url)) as publisher:
            publisher.publish(b"order")
            delete(channel, queue)
            said = _error_of(lambda: publisher.publish(b"order"))
        said = said.replace(queue.name, "orders")
        yield Finding("no queue", "right", 1, 0, 0, said)


def _full_queue(url: str) -> Iterator[Finding]:
    """6: no confirms, and a queue that has room for ten messages."""
    with scratch(url, capacity=10) as (channel, queue):
        for _ in range(50):
            tutorial.send(channel, queue.name, b"order")
        until(lambda: ready(channel, queue.name) == 10, "the queue is full")
        yield Finding("full queue", "tutorial", 50, 50 - len(taken(channel, queue.name)), 0, "")
        sent = 0
        with Publisher(queue, Link(url=url, retry=AT_ONCE)) as publisher:
            try:
                for _ in range(50):
                    publisher.publish(b"order")
                    sent += 1
                said = ""
            except BrokerError as error:
                said = f"{type(error).__name__}: {error}"
        lost = sent - len(taken(channel, queue.name))
        yield Finding("full queue", "right", sent, lost, 0, said)


def _killed(_: str) -> Iterator[Finding]:
    """6: no confirms, and a server that is killed in mid-stream."""
    with PrivateBroker() as broker:
        link = Link(url=broker.url)
        channel = tutorial.open_channel(link.parameters, "tutorial")
        sent: dict[str, list[bytes]] = {"tutorial": [], "right": []}
        confirming = Thread(target=_stream, args=(broker.url, sent["right"]))
        confirming.start()
        killer = Timer(1.5, broker.kill)
        killer.start()
        said = ""
        try:
            while True:
                body = b"%d" % len(sent["tutorial"])
                channel.basic_publish("", "tutorial", body, persistent("", {}))
                sent["tutorial"].append(body)
        except lost_connection() as error:
            said = type(error).__name__
        killer.join()
        close(channel.connection)
        broker.start()
        confirming.join()
        connection = link.connect()
        for way, bodies in sent.items():
            kept = set(taken(connection.channel(), way))
            lost = len([body for body in bodies if body not in kept])
            yield Finding("killed", way, len(bodies), lost, 0, said if way == "tutorial" else "")
        close(connection)


def _stream(url: str, sent: list[bytes], most: float = 4.0) -> None:
    """Publish with confirms, across whatever happens, for so many seconds."""
    end = time.monotonic() + most
    patient = Link(url=url, retry=Retry(attempts=600, wait=Fixed(0.2)))
    with Publisher(WorkQueue("right"), patient) as publisher:
        while time.monotonic() < end:
            body = b"%d" % len(sent)
            publisher.publish(body)
            sent.append(body)


def _debug(_: str) -> Iterator[Finding]:
    """7: a web service that is started in debug mode, asked for what it doesn't have."""
    for way, service in (
        ("tutorial", tutorial.SERVICE),
        ("right", tutorial.SERVICE.replace("debug=True", "debug=False")),
    ):
        yield Finding("debug", way, 0, 0, 0, error_page(service))


def _lost_confirm(url: str) -> Iterator[Finding]:
    """The line breaks between a message and its confirm, and it is sent again."""
    for way in ("without ids", "right"):
        with scratch(url) as (_, queue), Line(url) as line:
            done: list[bytes] = []
            with Publisher(queue, Link(url=line.url, retry=Retry(20, Fixed(0.05)))) as publisher:
                for number in range(20):
                    if number == 10:
                        line.hold_answers()
                        Timer(0.2, line.cut).start()
                    publisher.publish(b"%d" % number)
            seen = Seen() if way == "right" else _Forgetful()
            with Consumer(queue, seen, link=Link(url=url)) as consumer:
                _drain(consumer, done, 20)
            doubled = len(done) - len(set(done))
            yield Finding("lost confirm", way, 20, 20 - len(set(done)), doubled, "")


class _Forgetful:
    """Knows no doubles."""

    def once(self, message: str, effect: Callable[[], str]) -> str:
        return effect()


def _long_work(_: str) -> Iterator[Finding]:
    """Work that takes longer than the server waits for a heartbeat (of one second)."""
    with PrivateBroker() as broker:
        link = Link(url=broker.url, heartbeat=1)
        for way, consume in (("in the callback", _in_callback), ("right", _beside)):
            with scratch(broker.url) as (channel, queue):
                with Publisher(queue, Link(url=broker.url)) as publisher:
                    publisher.publish(b"order")
                done: list[bytes] = []
                said = _error_of(partial(consume, link, queue, done)).partition(":")[0]
                until(partial(_consumer_free, channel, queue.name), "the server has missed it")
                done += taken(channel, queue.name)
                yield Finding("long work", way, 1, 1 - len(set(done)), len(done) - 1, said)


def _beside(link: Link, queue: WorkQueue, done: list[bytes]) -> None:
    """In a thread that the connection doesn't need."""

    def work(message: Received) -> None:
        time.sleep(5)
        done.append(message.body)

    with Consumer(queue, link=link) as consumer:
        consumer.run(work, idle=1.0)


def _consumer_free(channel: Any, queue: str) -> bool:
    """Whether nobody consumes from a queue any more."""
    return not channel.queue_declare(queue, passive=True).method.consumer_count


def _in_callback(link: Link, queue: WorkQueue, done: list[bytes]) -> None:
    connection = link.connect()
    channel = connection.channel()

    def callback(channel: Any, method: Any, properties: Any, body: bytes) -> None:
        time.sleep(5)
        done.append(body)
        channel.basic_ack(method.delivery_tag)
        connection.process_data_events()

    channel.basic_consume(queue.name, callback)
    try:
        while not done:
            connection.process_data_events(time_limit=1)
        connection.process_data_events(time_limit=1)
    finally:
        close(connection)


def _starved(_: str) -> Iterator[Finding]:
    """A server that has no memory left, for two seconds, and five publishes."""
    with PrivateBroker() as broker:
        link = Link(url=broker.url)
        channel = tutorial.open_channel(link.parameters, "tutorial")
        right = WorkQueue("right")
        patient = Retry(attempts=100, wait=Fixed(0.2))
        hurried = Link(url=broker.url, blocked_timeout=0.5, retry=patient)
        with Publisher(right, hurried) as publisher:
            publisher.publish(b"0")
            broker.starve()
            for number in range(5):
                tutorial.send(channel, "tutorial", b"%d" % number)
            relief = Timer(2.0, lambda: broker.starve(False))
            relief.start()
            publisher.publish(b"1")
            relief.join()
        broker.kill()
        broker.start()
        connection = link.connect()
        for way, sent in {"tutorial": 5, "right": 2}.items():
            kept = set(taken(connection.channel(), way))
            yield Finding("starved", way, sent, sent - len(kept), 0, "")
        close(connection)


TRIALS: dict[str, Trial] = {
    "old argument": Trial(_old_argument, "server"),
    "command": Trial(_command, "server"),
    "no name": Trial(_no_name, "server"),
    "transient": Trial(_transient, "own server"),
    "auto_ack": Trial(_auto_ack, "server"),
    "no queue": Trial(_no_queue, "server"),
    "full queue": Trial(_full_queue, "server"),
    "killed": Trial(_killed, "own server"),
    "debug": Trial(_debug, "nothing"),
    "lost confirm": Trial(_lost_confirm, "server"),
    "long work": Trial(_long_work, "own server"),
    "starved": Trial(_starved, "own server"),
}
"""By name; the first nine are the tutorial's seven flaws, in their order."""
