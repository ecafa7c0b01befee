"""Crashes of consumers and of queues, at a time or at a rate."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from ...distributions import Deterministic, Durations, Exponential
from ...values import Value, parameter
from ..draws import samples
from ..environment import Environment, Timer
from .pausing import PausingConsumer
from .stored import StoredQueue

__all__ = ["Crash", "crash"]


class Crash(Value):
    """Something stops without a warning, and starts again some time later.

    ``consumer``: one of the consumers, by chance; its work is lost, and its messages go back to the
    queue. ``broker``: the process that holds the queue, as by ``kill -9``. ``power``: the machine
    it runs on, and with it all that was not synced to the disk. A crash of what is down already
    changes nothing.
    """

    what: Literal["consumer", "broker", "power"] = Field(description="what stops")
    at: float | None = parameter(None, "when it stops, once", unit="s", ge=0)
    rate: float | None = parameter(None, "or how often, while it is up", unit="1/s", gt=0)
    restart: Durations = parameter(Deterministic(value=1.0), "time until it works again", unit="s")

    @model_validator(mode="after")
    def _once_or_often(self) -> Self:
        if (self.at is None) == (self.rate is None):
            raise ValueError(f"give either at or rate, got at={self.at}, rate={self.rate}")
        if self.restart.length is not None:
            raise ValueError(f"restart={self.restart} ends; give a distribution without an end")
        return self


def crash(
    env: Environment,
    crashes: Iterable[Crash],
    queue: StoredQueue,
    consumer: PausingConsumer,
    over: Callable[[], bool],
) -> None:
    """Let all these crashes happen until the run is ``over``, each by a stream of its own."""
    for place, each in enumerate(crashes):
        env.process(_crash(env, each, f"crash {place}", queue, consumer, over))


def _crash(
    env: Environment,
    crash: Crash,
    name: str,
    queue: StoredQueue,
    consumer: PausingConsumer,
    over: Callable[[], bool],
) -> Generator[Timer, Any, None]:
    # Whatever else happens at the same instant happens before.
    timer = Timer(env, 2)
    restarts, choice = samples(crash.restart, env, f"{name} restart"), env.stream(f"{name} choice")
    gaps: Iterable[float] = [crash.at] if crash.at is not None else []
    if crash.rate is not None:
        gaps = samples(Exponential(mean=1 / crash.rate), env, name)
    for gap in gaps:
        yield timer.at(env.now + gap)
        if over():
            return
        if crash.what == "consumer":
            place = int(choice.integers(len(consumer.crew)))
            queue.abandon(consumer.crash(place, next(restarts)))
        elif queue.up:
            queue.crash(power=crash.what == "power")
            yield timer.at(env.now + next(restarts))
            queue.restart()
