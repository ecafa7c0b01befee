"""How many retries all calls together may make."""

from __future__ import annotations

from threading import Lock

from .checks import check_number

__all__ = ["RetryBudget"]

ROUNDING = 1e-9
"""Ten times 0.1 is 0.9999999999999999 in floating point, and has earned its retry."""


class RetryBudget:
    """A share of the first attempts may be repeated: each earns ``ratio``, a retry costs 1.

    However many calls fail, there are at most ``initial + ratio·first attempts`` retries. To keep
    what is overloaded from staying so, ``ratio`` must be below μ/λ − 1, capacity over load less
    one. A hedge is a retry, too, and takes from the same budget.

    Finagle allows 20 % and 10 per second on top, and what was earned is lost after 10 s. Envoy
    counts otherwise: retries under way at once below max(3, 20 % of the requests under way).
    tenacity, Polly and resilience4j have none.

    Threads may share it: ``earn`` and ``take`` are atomic, and nothing is held in between.

    Parameters
    ----------
    ratio : float
        What a first attempt earns (retries, >= 0).
    maximum : float
        The most that can be saved up (retries, >= 0).
    initial : float, optional
        What there is at the start (retries, at most ``maximum``); the default is ``maximum``, so
        that a service that is seldom called may retry at all.

    Raises
    ------
    TypeError, ValueError
        If a number is out of bounds.

    Examples
    --------
    >>> budget = RetryBudget(ratio=0.5, maximum=10, initial=0)
    >>> budget.earn(), budget.take(), budget.earn(), budget.take()
    (None, False, None, True)
    """

    def __init__(
        self, ratio: float = 0.2, maximum: float = 10.0, initial: float | None = None
    ) -> None:
        self.ratio = check_number("ratio", ratio)
        self.maximum = check_number("maximum", maximum)
        if initial is None:
            initial = self.maximum
        self._left = check_number("initial", initial, 0, self.maximum)
        self._lock = Lock()

    def __repr__(self) -> str:
        return f"RetryBudget(ratio={self.ratio}, maximum={self.maximum}, left={self.left})"

    @property
    def left(self) -> float:
        """How many retries there are."""
        return max(0.0, self._left)

    def earn(self) -> None:
        """Count a call's first attempt."""
        with self._lock:
            self._left = min(self.maximum, self._left + self.ratio)

    def take(self) -> bool:
        """Ask for a retry: True, and it's paid for, or False: refused."""
        with self._lock:
            if self._left < 1 - ROUNDING:
                return False
            # Below 0 by a rounding error at most: it is owed, so that errors don't add up.
            self._left -= 1
            return True
