"""Whether a call that failed is tried again, and after which pause."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from .checks import check_draw, check_number, check_whole

__all__ = [
    "DecorrelatedJitter",
    "EqualJitter",
    "Exponential",
    "Fixed",
    "FullJitter",
    "Retry",
    "Wait",
]


@runtime_checkable
class Wait(Protocol):
    """How long to pause before a retry."""

    def pause(self, attempt: int, draw: float, last: float | None = None) -> float:
        """The pause (s) after an attempt that failed.

        Parameters
        ----------
        attempt : int
            How many attempts there have been: 1 after the first.
        draw : float
            Uniform in [0, 1).
        last : float, optional
            The pause (s) before this attempt, which only :class:`DecorrelatedJitter` needs.
        """
        ...


@dataclass(frozen=True, slots=True)
class Fixed:
    """The same pause each time.

    resilience4j's default is three attempts 0.5 s apart, Polly's three retries 2 s apart. Clients
    that failed together come back together.

    Parameters
    ----------
    seconds : float
        The pause (s, >= 0); 0: at once, as tenacity unless it is told otherwise.
    """

    seconds: float = 0.0

    def __post_init__(self) -> None:
        seconds = check_number("seconds", self.seconds, unit="seconds")
        object.__setattr__(self, "seconds", seconds)

    def pause(self, attempt: int, draw: float, last: float | None = None) -> float:
        return self.seconds


@dataclass(frozen=True, slots=True)
class _Growing:
    base: float
    most: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "base", check_number("base", self.base, unit="seconds"))
        most = check_number("most", self.most, self.base, unit="seconds", endless=True)
        object.__setattr__(self, "most", most)

    def _grown(self, attempt: int) -> float:
        # 2**1000 is beyond any pause, and 2**1024 beyond a float.
        return min(self.most, self.base * 2.0 ** min(attempt - 1, 1000))


@dataclass(frozen=True, slots=True)
class Exponential(_Growing):
    """Twice as long each time: e = min(most, base·2^(attempt − 1)).

    Without jitter, clients that failed together come back together, only less often.

    Parameters
    ----------
    base : float
        The first pause (s, >= 0).
    most : float
        The longest (s, >= base); infinity: no bound.
    """

    def pause(self, attempt: int, draw: float, last: float | None = None) -> float:
        return self._grown(attempt)


@dataclass(frozen=True, slots=True)
class FullJitter(_Growing):
    """Anything up to the exponential pause: u·e, in [0, e) (Brooker, 2015).

    tenacity calls it ``wait_random_exponential``. Envoy does the same, from 25 ms to ten times
    that.

    Parameters
    ----------
    base, most : float
        As for :class:`Exponential`.
    """

    def pause(self, attempt: int, draw: float, last: float | None = None) -> float:
        return check_draw(draw) * self._grown(attempt)


@dataclass(frozen=True, slots=True)
class EqualJitter(_Growing):
    """Half of the exponential pause and a random part of the other: e/2 + u·e/2 (Brooker, 2015).

    Parameters
    ----------
    base, most : float
        As for :class:`Exponential`.
    """

    def pause(self, attempt: int, draw: float, last: float | None = None) -> float:
        half = self._grown(attempt) / 2
        return half + check_draw(draw) * half


@dataclass(frozen=True, slots=True)
class DecorrelatedJitter(_Growing):
    """At random up to thrice the pause before: min(most, base + u·(3·last − base)).

    Brooker, 2015. The first ``last`` is ``base``. The pause before belongs to one call: kept in an
    object that all calls share, as is often seen, one call's tenth pause sets another's first.
    Here each call hands in its own, or goes through :meth:`Retry.pauses`.

    Polly's ``UseJitter`` is another formula with the same aim, smoother in its distribution.

    Parameters
    ----------
    base, most : float
        As for :class:`Exponential`.
    """

    def pause(self, attempt: int, draw: float, last: float | None = None) -> float:
        if last is None:
            if attempt > 1:
                raise ValueError(
                    f"last must be the pause (s) before attempt {attempt} of the same call, "
                    "got None; pauses() keeps it"
                )
            last = self.base
        return min(self.most, self.base + check_draw(draw) * (3 * last - self.base))


@dataclass(frozen=True, slots=True)
class Retry:
    """So many attempts in all, with a pause between one and the next.

    It is told which attempt failed, and answers how long to pause or that it's time to give up.
    What is worth another attempt the caller decides: a timeout and a 503, not a 400. Retries in
    each layer multiply: three layers of 4 attempts call the lowest 64 times. Retry in one layer,
    and under a :class:`RetryBudget`. Back-off spreads retries over time and removes none.

    tenacity retries for ever and without a pause unless it is told otherwise; resilience4j's
    ``maxAttempts`` counts the first attempt, as here; Polly's ``MaxRetryAttempts`` and Envoy's
    ``num_retries`` don't.

    It is a value: it never changes, so all calls and threads may share it.

    Parameters
    ----------
    attempts : int
        The most, the first included (>= 1).
    wait : Wait
        :class:`Fixed`, :class:`Exponential`, :class:`FullJitter`, :class:`EqualJitter` or
        :class:`DecorrelatedJitter`, or anything with such a ``pause``.

    Raises
    ------
    TypeError, ValueError
        If there can't be so many attempts, or ``wait`` has no ``pause``.

    Examples
    --------
    >>> retry = Retry(attempts=3, wait=FullJitter(base=0.1, most=10.0))
    >>> [retry.pause(attempt, draw=0.5) for attempt in (1, 2, 3)]
    [0.05, 0.1, None]
    """

    attempts: int = 3
    wait: Wait = field(default_factory=Fixed)

    def __post_init__(self) -> None:
        object.__setattr__(self, "attempts", check_whole("attempts", self.attempts, 1))
        if isinstance(self.wait, type) or not isinstance(self.wait, Wait):
            raise TypeError(
                "wait must be Fixed(...), Exponential(...), FullJitter(...), EqualJitter(...), "
                f"DecorrelatedJitter(...) or anything else with a pause, got {self.wait!r}"
            )

    def pause(self, attempt: int, draw: float, last: float | None = None) -> float | None:
        """How long to wait after an attempt that failed.

        Parameters
        ----------
        attempt : int
            How many attempts there have been: 1 after the first.
        draw : float
            Uniform in [0, 1): ``random.random()``, or the stream of a simulated process.
        last : float, optional
            The pause (s) before this attempt; none before the first.

        Returns
        -------
        float or None
            Seconds, or None: give up.
        """
        if attempt < 1:
            raise ValueError(f"attempt must be a whole number >= 1, got {attempt!r}")
        if attempt >= self.attempts:
            return None
        return self.wait.pause(attempt, draw, last)

    def pauses(self, draws: Iterable[float]) -> Iterator[float]:
        """The pauses of one call, in turn, as long as there may be another attempt.

        Parameters
        ----------
        draws : iterable of float
            One is taken for each pause.

        Examples
        --------
        >>> retry = Retry(attempts=3, wait=DecorrelatedJitter(base=1, most=9))
        >>> list(retry.pauses([0.5, 0.5, 0.5]))
        [2.0, 3.5]
        """
        last = None
        for attempt, draw in zip(range(1, self.attempts), draws, strict=False):
            last = self.wait.pause(attempt, draw, last)
            yield last
