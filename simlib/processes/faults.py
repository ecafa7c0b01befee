"""When something is down, hangs or is slow."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from math import inf
from typing import Any, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from ..distributions import Deterministic, Durations, DurationsOrNone
from ..values import Value, parameter
from .draws import samples
from .environment import Environment, Timer

__all__ = ["NO_FAULTS", "Faults", "Outage", "Window", "faults_of_each"]


class Outage(Value):
    """Something does not work for a while.

    ``crash``: it stops without a warning, and what it held in memory is gone; work that was cut
    short is lost or begins again. ``power``: the machine under it loses its power, and with it all
    that was not synced to the disk. ``hang``: it stands still and loses nothing, and goes on where
    it was. ``slow``: work that is begun meanwhile takes ``factor`` times as long.

    It is over one time, from ``start``, or again and again, ``every`` so often: then that is the
    time from when it works again to the next time. ``consumers`` are whoever works on messages,
    subscribers too. ``share`` says how many of them: the first ones from ``start``, and those that
    chance picks each time from ``every``; at least one. A crash of what is down already changes
    nothing.

    Examples
    --------
    >>> Outage(of="broker", start=5.0, duration=2.0).kind
    'crash'
    >>> Outage(of="network", start=1.0, share=0.5)
    Traceback (most recent call last):
        ...
    simlib.values.errors.ParameterError: Outage: only consumers have a share, got share=0.5 ...
    """

    of: Literal["consumers", "service", "broker", "publisher", "network"] = Field(
        description="what does not work"
    )
    start: float | None = parameter(None, "when it begins, once", unit="s", ge=0)
    every: DurationsOrNone = parameter(None, "or how long it is well before it begins", unit="s")
    duration: Durations = parameter(Deterministic(value=1.0), "how long it lasts", unit="s")
    share: float = parameter(1.0, "which part of them is affected", gt=0, le=1)
    kind: Literal["crash", "power", "hang", "slow"] = parameter("crash", "what happens to it")
    factor: float | None = parameter(
        None, "slow: how many times as long work takes that is begun meanwhile", gt=0
    )

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if (self.start is None) == (self.every is None):
            raise ValueError(
                f"give either start or every, got start={self.start}, every={self.every}"
            )
        if (self.factor is None) == (self.kind == "slow"):
            raise ValueError(
                f"a factor belongs to kind='slow', and only there; got kind={self.kind!r}, "
                f"factor={self.factor}"
            )
        if self.kind == "power" and self.of != "broker":
            raise ValueError(f"only of='broker' has a power to lose, got of={self.of!r}")
        if self.share < 1 and self.of != "consumers":
            raise ValueError(f"only consumers have a share, got share={self.share:g} of {self.of}")
        if self.every is not None and self.every.average < 1e-3:
            raise ValueError(f"every must be >= 0.001 s on average, got {self.every}")
        for name in ("every", "duration"):
            durations = getattr(self, name)
            if durations is not None and durations.length is not None:
                raise ValueError(f"{name}={durations} ends; give a distribution without an end")
        return self

    def affected(self, number: int) -> int:
        """How many of so many are affected."""
        return max(1, round(self.share * number))


class Window(NamedTuple):
    """A time from ``start`` up to but not including ``end`` (s)."""

    start: float
    end: float
    factor: float = 1.0
    """How many times as long work takes that is begun meanwhile."""


class Faults:
    """When one process is down, hangs or is slow.

    Parameters
    ----------
    outages : iterable of Outage
        Each with a ``start``. Where several that are slow hold at once, their factors multiply.
    env : Environment, optional
        Where durations are drawn that are not fixed.
    name : str
        Names the random streams of these.
    """

    def __init__(
        self, outages: Iterable[Outage] = (), env: Environment | None = None, name: str = "outage"
    ) -> None:
        windows: dict[str, list[Window]] = {"crash": [], "hang": [], "slow": []}
        for place, each in enumerate(outages):
            if each.start is None or each.kind == "power":
                raise ValueError(f"a process fails from a start, and by no power cut, got {each}")
            length = each.duration.average
            if env is not None and not isinstance(each.duration, Deterministic):
                length = next(samples(each.duration, env, f"{name} {place + 1}"))
            windows[each.kind].append(Window(each.start, each.start + length, each.factor or 1.0))
        self.outages = _merged(windows["crash"])
        """When it is down."""
        self.hangs = _merged(windows["hang"])
        """When it stands still."""
        self.slow = tuple(windows["slow"])
        """When it is slow."""

    def tell(self, env: Environment, went_down: Callable[[Window], object]) -> None:
        """Have it called each time the process goes down, at its instant."""
        if self.outages:
            env.process(self._tell(env, went_down))

    def _tell(
        self, env: Environment, went_down: Callable[[Window], object]
    ) -> Generator[Timer, Any, None]:
        timer = Timer(env, 0)
        for outage in self.outages:
            yield timer.at(outage.start)
            went_down(outage)

    def down_at(self, time: float) -> float:
        """The first instant from ``time`` on at which the process is down (s); may be infinite."""
        for outage in self.outages:
            if time < outage.end:
                return max(time, outage.start)
        return inf

    def up_at(self, time: float) -> float:
        """The first instant from ``time`` on at which the process is up (s)."""
        return _after(self.outages, time)

    def goes_on_at(self, time: float) -> float:
        """The first instant from ``time`` on at which the process does not hang (s)."""
        return _after(self.hangs, time)

    def done_at(self, start: float, duration: float) -> float:
        """When work that begins at ``start`` is done if no crash ends it (s)."""
        end = start + duration * self.factor(start)
        for hang in self.hangs:
            if hang.start < end and start < hang.end:
                end += hang.end - max(start, hang.start)
        return end

    def end_of_work(self, start: float, duration: float) -> tuple[float, bool]:
        """When work that begins at ``start`` ends (s), and whether a crash ends it."""
        end, down = self.done_at(start, duration), self.down_at(start)
        return (down, True) if down < end else (end, False)

    def factor(self, time: float) -> float:
        """How many times as long work takes that is begun at ``time``."""
        product = 1.0
        for slow in self.slow:
            if slow.start <= time < slow.end:
                product *= slow.factor
        return product


def _merged(windows: Sequence[Window]) -> list[Window]:
    """The same times, in order, and none of them twice."""
    merged: list[Window] = []
    for window in sorted(windows):
        if merged and window.start <= merged[-1].end:
            merged[-1] = Window(merged[-1].start, max(merged[-1].end, window.end))
        else:
            merged.append(window)
    return merged


def _after(windows: Iterable[Window], time: float) -> float:
    for window in windows:
        if window.start <= time < window.end:
            return window.end
    return time


def faults_of_each(
    number: int, outages: Sequence[Outage], env: Environment, what: str = "consumer"
) -> list[Faults]:
    """The faults of each of so many consumers, from what befalls a share of them."""
    hit = [[each for each in outages if place < each.affected(number)] for place in range(number)]
    return [
        Faults(mine, env, f"outage of {what} {place + 1},") if mine else NO_FAULTS
        for place, mine in enumerate(hit)
    ]


NO_FAULTS = Faults()
