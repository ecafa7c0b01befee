"""The way across the network from one machine to another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf, isfinite
from typing import Any, final

from ..distributions import Distribution
from .draws import happens, samples
from .environment import Environment
from .faults import NO_FAULTS, Faults, Outage
from .line import Line

__all__ = ["Link", "across"]


@final
class Link:
    """One way across the network: how long anything is under way, and whether it gets there.

    A process that waits for something of its own to get across asks when it :meth:`arrives`. What
    is sent on a connection, and arrives in the order in which it was sent, goes on a line that
    :meth:`connect` makes.

    While the network hangs nothing moves: what is under way stands still and goes on afterwards,
    and what is sent meanwhile sets out then. Nothing is lost by that.

    Parameters
    ----------
    env : Environment
    latency : float
        Time that anything is under way (s).
    jitter : Distribution, optional
        What comes on top of the latency, drawn anew each time (s).
    loss : float
        Probability that something does not get there.
    faults : Faults
        When the network hangs or is slow.
    name : str
        Names the random streams of jitter and loss.

    Raises
    ------
    ValueError
        A latency that is no time, or a loss that is no probability.
    """

    def __init__(
        self,
        env: Environment,
        latency: float = 0.0,
        *,
        jitter: Distribution | None = None,
        loss: float = 0.0,
        faults: Faults = NO_FAULTS,
        name: str = "messages",
    ) -> None:
        if not (latency >= 0 and isfinite(latency)):
            raise ValueError(f"network must be >= 0 s, got {latency!r}")
        if not 0 <= loss <= 1:
            raise ValueError(f"loss must be a probability from 0 to 1, got {loss!r}")
        self.env = env
        self.latency = latency
        """The least time that anything is under way (s)."""
        self.faults = faults
        self.takes_time = bool(latency or jitter is not None or faults is not NO_FAULTS)
        """Whether anything is ever under way, and not there as soon as it is sent."""
        self.jitter = jitter
        self._more = None if jitter is None else samples(jitter, env, f"jitter of {name}")
        self._lost = happens(env, f"lost {name}", loss)
        self._plain = jitter is None and not loss and faults is NO_FAULTS

    def arrives(self, sent: float) -> float:
        """When something is there that is sent at an instant (s); infinite if it gets lost."""
        if self._plain:
            return sent + self.latency
        if next(self._lost):
            return inf
        latency = self.latency if self._more is None else self.latency + next(self._more)
        faults = self.faults
        return sent + latency if faults is NO_FAULTS else self._delayed(sent, latency)

    def _delayed(self, sent: float, latency: float) -> float:
        """When something arrives on a network that hangs or is slow now and then (s)."""
        return self.faults.done_at(self.faults.goes_on_at(sent), latency)

    def losing(self, loss: float, name: str) -> Link:
        """A way like this one, on which something is lost with another probability."""
        env, jitter = self.env, self.jitter
        return Link(env, self.latency, jitter=jitter, loss=loss, faults=self.faults, name=name)

    def connect(self, arrive: Callable[[Any], object], priority: int) -> Line | None:
        """A line for what arrives in order, of which ``arrive`` is told; None if it takes no time.

        Who sends says when it arrives, ``line.send(thing, link.arrives(now))``, and does not send
        what gets lost.
        """
        return Line(self.env, arrive, priority) if self.takes_time else None


def across(env: Environment, network: float | Link, outages: Sequence[Outage] = ()) -> Link:
    """The link that is given, or one of so many seconds, with what befalls the network."""
    if isinstance(network, Link):
        return network
    faults = Faults(outages, env, "outage of the network") if outages else NO_FAULTS
    return Link(env, network, faults=faults)
