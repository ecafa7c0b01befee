"""Crashes of consumers and of queues, at an instant or again and again."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from typing import Any

import numpy as np

from ..draws import samples
from ..environment import Environment, Timer
from ..faults import Outage
from .pausing import PausingConsumer
from .stored import StoredQueue

__all__ = ["crash"]


def crash(
    env: Environment,
    crashes: Iterable[Outage],
    queue: StoredQueue,
    consumer: PausingConsumer,
    over: Callable[[], bool],
) -> None:
    """Let all these crashes happen until the run is ``over``, each by a stream of its own."""
    for place, each in enumerate(crashes):
        env.process(_crash(env, each, f"crash {place}", queue, consumer, over))


def _crash(
    env: Environment,
    outage: Outage,
    name: str,
    queue: StoredQueue,
    consumer: PausingConsumer,
    over: Callable[[], bool],
) -> Generator[Timer, Any, None]:
    # Whatever else happens at the same instant happens before.
    timer = Timer(env, 2)
    restarts, choice = (
        samples(outage.duration, env, f"{name} restart"),
        env.stream(f"{name} choice"),
    )
    number = outage.affected(len(consumer.crew))
    gaps = [outage.start] if outage.every is None else samples(outage.every, env, name)
    for gap in gaps:
        yield timer.at(env.now + (gap or 0.0))
        if over():
            return
        if outage.of == "consumers":
            chosen = range(number) if outage.every is None else _chosen(choice, consumer, number)
            # All of them first: what one leaves must not go to another that goes down with it.
            left = [consumer.crash(place, next(restarts)) for place in chosen]
            queue.abandon([message for messages in left for message in messages])
        elif queue.up:
            queue.crash(power=outage.kind == "power")
            yield timer.at(env.now + next(restarts))
            queue.restart()


def _chosen(choice: np.random.Generator, consumer: PausingConsumer, number: int) -> list[int]:
    """So many of the workers, by chance."""
    if number == 1:
        return [int(choice.integers(len(consumer.crew)))]
    return sorted(choice.choice(len(consumer.crew), number, replace=False).tolist())
