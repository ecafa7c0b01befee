"""A service that answers calls, and those that need it: by a call, or through a queue."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator
from typing import Any

from simpy.events import Event

from ...queues import Empty, Message
from ..environment import Draws, Environment, Timer
from ..faults import NO_FAULTS, Faults
from ..point_to_point.consumer import Consumer
from ..point_to_point.queue import SimQueue

__all__ = ["Caller", "Handlers", "Publisher", "Service"]


class Service(Consumer):
    """Answers calls: its workers take requests from an inbox and reply to whoever called.

    The inbox is in the service's own memory. When the service goes down, the requests in it and
    those in the workers' hands are gone, and their callers get an error; while it is down, calls
    are refused.

    Parameters
    ----------
    env : Environment
    inbox : SimQueue
        Where requests wait for a worker.
    work : Distribution or Draws
        The work that each request brings (s).
    workers : int
        How many requests are worked on at once.
    faults : Faults
        When the service is down or slow.
    """

    def __init__(
        self,
        env: Environment,
        inbox: SimQueue,
        work: Draws,
        *,
        workers: int = 1,
        faults: Faults = NO_FAULTS,
    ) -> None:
        super().__init__(env, inbox, work, workers=workers, faults=faults)
        self._callers: dict[int, Timer] = {}

    def call(self, number: int, caller: Timer) -> bool:
        """Hand in request ``number``; False if it is refused.

        The caller's timer is fired when the reply is ready, or when the service goes down.
        """
        if self.faults.down_at(self.env.now) == self.env.now:
            self.queue.record.lost.append(number)
            return False
        self._callers[number] = caller
        if self.queue.publish(number):
            return True
        del self._callers[number]
        return False

    def done(self, number: int) -> None:
        self._callers.pop(number).fire()

    def abandon(self, message: Message) -> None:
        self._callers.pop(self.queue.lose(message)).fire()

    def went_down(self) -> None:
        for message in self.queue.real.get_many(self.queue.real.qsize() or 1):
            self.queue.record.moves.vanished.append(self.env.now)
            self.abandon(message)


class Handlers(ABC):
    """A limited number of threads that handle requests.

    A request waits at the door until one of them is free.
    """

    def __init__(self, env: Environment, door: SimQueue, threads: int, network: float) -> None:
        self.env = env
        self.network = network
        for _ in range(threads):
            env.process(self._handle(door))

    @abstractmethod
    def send(self, number: int, timer: Timer) -> Generator[Event, Any, None]:
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
            yield from self.send(number, timer)
            answered[number] = self.env.now
            door.ack(message)


class Caller(Handlers):
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
    network : float
        Seconds that a request or a reply is under way.
    """

    def __init__(
        self,
        env: Environment,
        door: SimQueue,
        service: Service,
        *,
        connections: int,
        network: float = 0.0,
    ) -> None:
        super().__init__(env, door, connections, network)
        self.service = service

    def send(self, number: int, timer: Timer) -> Generator[Timer, Any, None]:
        yield timer.at(self.env.now + self.network)
        if self.service.call(number, timer):
            yield timer
        yield timer.at(self.env.now + self.network)


class Publisher(Handlers):
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
    network : float
        Seconds that a message or a confirmation is under way.
    """

    def __init__(
        self,
        env: Environment,
        door: SimQueue,
        queue: SimQueue,
        *,
        connections: int,
        network: float = 0.0,
    ) -> None:
        super().__init__(env, door, connections, network)
        self.queue = queue

    def send(self, number: int, timer: Timer) -> Generator[Timer, Any, None]:
        yield timer.at(self.env.now + self.network + self.queue.put_cost)
        self.queue.publish(number)
        yield timer.at(self.env.now + self.network)
