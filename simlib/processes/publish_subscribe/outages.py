"""When a broker is down."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from itertools import repeat
from typing import Any

from ...distributions import Deterministic, Distribution
from ...queues.crash import kill
from ..draws import samples
from ..environment import Environment, Timer
from ..faults import Outage
from .node import BrokerNode

__all__ = ["fail"]


def fail(
    env: Environment, node: BrokerNode, outages: Sequence[Outage], more: Callable[[], bool]
) -> None:
    """Kill a broker when an outage begins, and let it come back at the end.

    Parameters
    ----------
    env : Environment
    node : BrokerNode
        Whose broker.
    outages : sequence of Outage
        When, and for how long. One that begins while the broker is down changes nothing.
    more : callable
        Whether there are messages to come; if not, there are no more outages.
    """
    for place, outage in enumerate(outages):
        env.process(_fail(env, node, outage, more, f"outage {place + 1}"))


def _fail(
    env: Environment, node: BrokerNode, outage: Outage, more: Callable[[], bool], name: str
) -> Generator[Timer, Any, None]:
    timer = Timer(env, 1)
    lengths = _lengths(env, outage.duration, f"{name} duration")
    gaps = [outage.start] if outage.every is None else samples(outage.every, env, name)
    for gap in gaps:
        if not more():
            return
        yield timer.at(env.now + (gap or 0.0))
        if not node.up:
            continue
        node.go_down(kill)
        length = next(lengths)
        if length:
            yield timer.at(env.now + length)
        node.come_back()


def _lengths(env: Environment, duration: Distribution, name: str) -> Iterator[float]:
    """How long each outage lasts (s)."""
    if isinstance(duration, Deterministic):
        return repeat(duration.average)
    return samples(duration, env, name)
