"""Services that need another one: by a call, or through a queue."""

from __future__ import annotations

from abc import ABC, abstractmethod
from array import array
from collections.abc import Generator
from typing import Any

from simpy.events import Event

from ...calls import Outcome
from ...queues import Empty
from ..environment import Environment, Timer
from ..network import Link, across
from ..point_to_point.queue import SimQueue
from .service import Service

__all__ = ["Caller", "FrontService", "Publisher"]


class FrontService(ABC):
    """A limited number of threads that handle requests, with the help of somebody else.

    A request waits at the door until one of them is free.

    Parameters
    ----------
    env : Environment
    door : SimQueue
        Where requests wait for a thread. Its record has a column ``answered``.
    threads : int
        How many requests are handled at once.
    network : float or Link
        The way from or to this service; a number is its latency (s).
    """

    def __init__(
        self, env: Environment, door: SimQueue, threads: int, network: float | Link
    ) -> None:
        self.env = env
        self.network = across(env, network)
        self.failed = array("q")
        """Numbers of the requests that came to nothing, as far as this service knows."""
        for _ in range(threads):
            env.process(self._handle(door))

    @abstractmethod
    def send(self, number: int, timer: Timer) -> Generator[Event, Any, Outcome]:
        """Do what request ``number`` needs; the thread is busy until it returns."""

    def _handle(self, door: SimQueue) -> Generator[Event, Any, None]:
        answered = door.record.extra["answered"]
        timer = Timer(self.env, 0)
        while True:
            try:
                message = door.real.get(False)
            except Empty:
                message = yield door.wait(timer)
            number = door.numbers[message.id]
            outcome = yield from self.send(number, timer)
            answered[number] = self.env.now
            if outcome is not Outcome.OK:
                self.failed.append(number)
            door.ack(message)


class Caller(FrontService):
    """Handles requests by calling a service, and waits for each reply.

    Parameters
    ----------
    env : Environment
    door : SimQueue
        Where requests wait for a connection. Its record has a column ``answered``.
    service : Service
        What is called.
    connections : int
        Size of the connection pool: each call holds one until its reply is back.
    network : float or Link
        The way of a request or a reply; a number is its latency (s).
    """

    def __init__(
        self,
        env: Environment,
        door: SimQueue,
        service: Service,
        *,
        connections: int,
        network: float | Link = 0.0,
    ) -> None:
        super().__init__(env, door, connections, network)
        self.service = service

    def send(self, number: int, timer: Timer) -> Generator[Timer, Any, Outcome]:
        yield timer.at(self.network.arrives(self.env.now))
        reply = yield from self.service.call(number).wait(timer)
        yield timer.at(self.network.arrives(self.env.now))
        return reply.outcome


class Publisher(FrontService):
    """Handles requests by putting them into a queue, and waits only until each is stored.

    Parameters
    ----------
    env : Environment
    door : SimQueue
        Where requests wait for a connection. Its record has a column ``answered``.
    queue : SimQueue
        Where the requests go.
    connections : int
        Size of the connection pool: each put holds one until it is confirmed.
    network : float or Link
        The way of a message or a confirmation; a number is its latency (s).
    """

    def __init__(
        self,
        env: Environment,
        door: SimQueue,
        queue: SimQueue,
        *,
        connections: int,
        network: float | Link = 0.0,
    ) -> None:
        super().__init__(env, door, connections, network)
        self.queue = queue

    def send(self, number: int, timer: Timer) -> Generator[Timer, Any, Outcome]:
        yield timer.at(self.network.arrives(self.env.now) + self.queue.put_cost)
        stored = self.queue.publish(number)
        yield timer.at(self.network.arrives(self.env.now))
        return Outcome.OK if stored else Outcome.REFUSED
