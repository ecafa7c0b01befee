"""What falls due in a broker by the mere passing of time."""

from __future__ import annotations

from collections.abc import Generator
from math import inf
from typing import Any

from ...broker import Broker
from ..environment import Environment, Timer

__all__ = ["Alarm"]


class Alarm:
    """Lets a broker do what falls due in it by itself: messages expire, leases and queues end.

    Parameters
    ----------
    env : Environment
    broker : Broker
    """

    def __init__(self, env: Environment, broker: Broker) -> None:
        self.env = env
        self.broker = broker
        self.timed = False
        """Whether anything falls due by itself; nobody has to ``watch`` where nothing does."""
        self._due = inf
        self._stopped = False
        self._missed = False

    def look_for_times(self) -> None:
        """Ask the queues whether anything falls due in them."""
        self.timed = self.timed or any(
            state.options.message_ttl is not None
            or state.options.expires is not None
            or self.broker.queue(name).storage.lease is not None
            for name, state in self.broker.queues.items()
        )

    def watch(self) -> None:
        """Look again when something falls due."""
        due = self.env._now + self.broker.due_in()
        if due < self._due:
            self._due = due
            self.env.process(self._look_again(due))

    def _look_again(self, due: float) -> Generator[Timer, Any, None]:
        yield Timer(self.env, 0).at(due)
        if due == self._due:
            self._due = inf
        if self._stopped:
            self._missed = True
            return
        self.broker.pump()
        self.watch()

    def stop(self) -> None:
        """The broker is down: what falls due meanwhile is done when it is back."""
        self._stopped = True

    def go_on(self) -> None:
        """The broker is back."""
        self._stopped = False
        if self._missed:
            self._missed = False
            self.broker.pump()
            self.watch()
