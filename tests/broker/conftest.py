"""Two brokers under one suite: ours in the program, and RabbitMQ.

A test that asks for ``server`` runs on both. What differs on purpose has a test of its own in
test_differences.py.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from math import inf
from typing import Any, NoReturn
from uuid import uuid4

import pytest

from simlib.broker import Broker, Delivery, MessageBroker, MessageChannel
from simlib.live import RabbitMQ

PATIENCE = 120.0
"""How long a real server may take for anything (seconds)."""


class FakeClock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


@dataclass
class Server:
    """A broker, names that nobody else uses, and how to wait for it."""

    broker: MessageBroker
    clock: FakeClock | None
    """None: the real time."""
    _prefix: str = field(default_factory=lambda: f"simlib-{uuid4().hex[:8]}-")
    _channels: list[MessageChannel] = field(default_factory=list)

    def name(self, name: str) -> str:
        """A name of this test alone."""
        return self._prefix + name

    def queue(self, name: str, **options: Any) -> str:
        """Declare a queue under a name of this test alone."""
        return self.broker.declare_queue(self.name(name), **options)

    def exchange(self, name: str, kind: str, **options: Any) -> str:
        """Declare an exchange under a name of this test alone."""
        self.broker.declare_exchange(self.name(name), kind, **options)
        return self.name(name)

    def channel(self, **options: Any) -> MessageChannel:
        """A channel with confirms, so that what is published has arrived."""
        channel = self.broker.channel(**options)
        channel.confirm()
        return channel

    def put(self, queue: str, *bodies: bytes, **options: Any) -> None:
        """Publish to a queue."""
        for body in bodies:
            self.broker.publish("", queue, body, **options)

    def drain(self, queue: str) -> list[Delivery]:
        """Everything that is ready, in order."""
        return list(iter(lambda: self.broker.get(queue), None))

    def bodies(self, queue: str) -> list[bytes]:
        """The bodies of everything that is ready, in order."""
        return [delivery.body for delivery in self.drain(queue)]

    def until(self, condition: Callable[[], object]) -> None:
        """Let time pass until something is so."""
        end = time.monotonic() + PATIENCE
        while True:
            self.broker.pump()
            if condition():
                return
            if time.monotonic() > end:
                pytest.fail(f"not within {PATIENCE:g} s", pytrace=False)
            if self.clock is None:
                time.sleep(0.005)
            elif (due := self.broker.due_in()) < inf:  # type: ignore[attr-defined]
                self.clock.advance(due)
            else:
                pytest.fail("nothing is pending that could make it so", pytrace=False)

    def wait(self, seconds: float) -> None:
        """Let so much time pass, and nothing else happen."""
        if self.clock is None:
            time.sleep(seconds)
        else:
            self.clock.advance(seconds)

    def until_ready(self, queue: str, count: int) -> None:
        """Let time pass until so many messages are ready."""
        self.until(lambda: self.broker.message_count(queue) == count)

    def refused(self, error: type[Exception], match: str, call: Callable[[], object]) -> None:
        """Expect an error of a call, or soon after it."""

        def again() -> None:
            call()
            self.until(lambda: False)

        with pytest.raises(error, match=match):
            again()


def _ours(missing: Any) -> Iterator[Server]:
    clock = FakeClock()
    with Broker(clock=clock) as broker:
        yield Server(broker, clock)


def _rabbitmq(missing: Callable[[str, str], NoReturn]) -> Iterator[Server]:
    try:
        broker = RabbitMQ()
    except ConnectionError as error:
        missing("RabbitMQ", str(error))
    with broker:
        yield Server(broker, None)
        broker.delete_declared()


SERVERS = {"ours": _ours, "RabbitMQ": _rabbitmq}


@pytest.fixture(params=SERVERS)
def server(
    request: pytest.FixtureRequest, missing: Callable[[str, str], NoReturn]
) -> Iterator[Server]:
    yield from SERVERS[request.param](missing)


@pytest.fixture
def rabbitmq(missing: Callable[[str, str], NoReturn]) -> Iterator[Server]:
    yield from _rabbitmq(missing)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()
