"""What can go wrong by chance on a message's way from its publisher to its ack."""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import isfinite

__all__ = ["NO_MISHAPS", "Mishaps"]


@dataclass(frozen=True, kw_only=True)
class Mishaps:
    """How likely each step fails: probabilities from 0 to 1, in the order of a message's way.

    Parameters
    ----------
    publish_lost : float
        A message does not get to the broker.
    confirm_lost : float
        A confirm does not get back to the publisher.
    delivery_lost : float
        The connection breaks when a message is on its way to the subscriber.
    crash : float
        The subscriber crashes in an attempt, at any point of the work.
    restart : float
        Time until it is back after such a crash (s); no probability.
    failing : float
        An attempt fails.
    poison : float
        A message is poison: every attempt at it fails. The same ones for all subscribers of a run.
    booked_and_crashed : float
        A bookkeeper crashes right after a booking, before anything else is done.
    ack_lost : float
        An ack does not arrive, and the connection breaks.

    Raises
    ------
    ValueError
        A probability is not from 0 to 1, or ``restart`` is no time.
    """

    publish_lost: float = 0.0
    confirm_lost: float = 0.0
    delivery_lost: float = 0.0
    crash: float = 0.0
    restart: float = 0.0
    failing: float = 0.0
    poison: float = 0.0
    booked_and_crashed: float = 0.0
    ack_lost: float = 0.0

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if each.name == "restart":
                if not (value >= 0 and isfinite(value)):
                    raise ValueError(f"restart must be >= 0 s, got {value!r}")
            elif not 0 <= value <= 1:
                raise ValueError(f"{each.name} must be a probability from 0 to 1, got {value!r}")


NO_MISHAPS = Mishaps()
